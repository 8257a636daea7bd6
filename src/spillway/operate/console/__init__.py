"""The operator's console: a local web application on the operator's own AWS credentials.

It runs nothing in the account and listens on this machine only, so it costs nothing when idle and
exposes nothing. Pages are rendered here and stay up to date with server-sent events. While no page
is open it makes no request to AWS (decision 0022 has what an open page costs).

- `command`: `spillway console`; `serving`: every address; `waiting`: imports it late
- `guard`: who may talk to it, and what a page may do
- `state`: what all pages share, with one reading for all that are open
- `views`: renders pages, their events and their forms
- `pages`, `orders`, `dead_letters`, `stack`: the handlers
- `path`, `timeline`, `faults`: what is shown, decided without a browser (pure)
- `redriving`, `traffic`: work that goes on after its page is closed
"""
