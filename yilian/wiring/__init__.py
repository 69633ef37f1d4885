"""The only place that knows every class: nodes put together from the rooms."""
