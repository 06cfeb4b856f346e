"""The shopper's page: HTML by Jinja2, one style sheet, one small script."""
