import { $ } from "./dom.js";
import "./shell.js";
import { finishSignIn, signIn } from "./sign-in.js";

try {
  location.replace(await finishSignIn());
} catch {
  $("#signing-in").hidden = true;
  $("#failed").hidden = false;
  $("#again").onclick = () => signIn("/");
}
