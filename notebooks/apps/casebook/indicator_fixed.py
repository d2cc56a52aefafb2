"""The same indicator as a template's own: the template takes it out when the session ends."""

import panel as pn

indicator = pn.indicators.BooleanStatus()
page = pn.template.FastListTemplate(title="Busy?", busy_indicator=indicator)
page.main.append("## At work")
page.servable()
