"""The console: pages on which owners and admins read one failure's story, and decide; rendered here, no build step.

`pages.py` is the application: feed, story, sign-in; `cause_pages.py`, `pause_pages.py`, `order_pages.py` are about more
than one failure. `frame.py` is what all share: headers, errors, forms; `session.py` the cookie, and safe forms.
`views.py` turns the API's answers into what templates print, with `json_diff.py` and `route_drawing.py`;
`asset_pages.py` answers what heals have made; `schema_form.py` makes the form of an input; `words.py` has the
sentences. `templates/` and `static/` are all that a browser gets beside what heals have made, from this process alone.
Neighbours: `api/` reads and decides as the user; its gateway signs in and limits. `service/` puts the console there.
Invariant: a page shows what the API answers that user, a form does what the API does; nothing of an event is markup.
"""
