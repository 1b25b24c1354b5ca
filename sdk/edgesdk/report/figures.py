"""Figures as people read them; the same in the terminal and on the page."""


def format_figure(value: object) -> str:
    """Thousands grouped; fractions with four significant digits; yes and no for booleans."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
