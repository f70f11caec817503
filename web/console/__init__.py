"""The brand console: what the brand's own people see and change, under `/console`.

How a page is added: a module here with a list `ROUTES`, named in `routes.MODULES`; its words in
`texts/<module>.py` (`TEXTS`, Chinese and English), its templates in `templates/console/`, its place in the
navigation in `frame.NAVIGATION`. A handler under `/console/b/{brand}/` declares its permission by
`opt=needs(Permission.…)` and takes `seat: GivenSeat`, which exists only where that permission does; a POST takes
its fields from `form: GivenForm`, which exists only where the form is ours. After a change it answers with
`desk.redirect(seat.visit, path, flash="key")`.

Not here: what the pages show and change (the rooms below), the consumer's pages (`web`).
"""
