"""A curve over time as text for a terminal and as SVG for a page. Needs no library."""

from collections.abc import Sequence
from pathlib import Path

Samples = Sequence[tuple[float, int]]  # (seconds, value)
COLUMNS, ROWS = 72, 10
WIDTH, HEIGHT, LEFT, BOTTOM = 760, 260, 60, 30  # of the picture


def text(samples: Samples, rise: float, fall: float) -> str:
    """The highest value of each column's time; `^` marks the time between rise and fall."""
    end, top = _bounds(samples)
    bars = [_highest(samples, column * end / COLUMNS, (column + 1) * end / COLUMNS) for column in range(COLUMNS)]
    lines = []
    for row in range(ROWS, 0, -1):
        line = "".join(
            "█" if bar * ROWS >= top * row else "▄" if bar * ROWS * 2 >= top * (2 * row - 1) else " " for bar in bars
        )
        lines.append(f"{round(top * row / ROWS):>7,} │{line}")
    marks = "".join("^" if rise <= (column + 0.5) * end / COLUMNS < fall else " " for column in range(COLUMNS))
    return "\n".join(
        [*lines, f"{0:>7} └{'─' * COLUMNS}", f"{'':>9}{marks}", f"{'':>9}0 s{f'{end:.0f} s':>{COLUMNS - 3}}"]
    )


def svg(samples: Samples, rise: float, fall: float, title: str) -> str:
    """The same as a picture; the time between rise and fall is shaded."""
    end, top = _bounds(samples)

    def x(at: float) -> str:
        return f"{LEFT + at / end * (WIDTH - LEFT - 10):.1f}"

    def y(value: float) -> str:
        return f"{HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - 30):.1f}"

    curve = " ".join(f"{x(at)},{y(value)}" for at, value in samples)
    ticks = "".join(
        f'<line x1="{LEFT}" x2="{WIDTH - 10}" y1="{y(v)}" y2="{y(v)}" stroke="#ddd"/>'
        f'<text x="{LEFT - 6}" y="{y(v)}" text-anchor="end" dominant-baseline="middle">{v:,.0f}</text>'
        for v in (0, top / 2, top)
    )
    times = "".join(
        f'<text x="{x(at)}" y="{HEIGHT - 8}" text-anchor="middle">{at:.0f} s</text>' for at in (0, rise, fall, end)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/><text x="{LEFT}" y="18" font-size="14">{title}</text>'
        f'<rect x="{x(rise)}" y="{y(top)}" width="{float(x(fall)) - float(x(rise)):.1f}" height="{float(y(0)) - float(y(top)):.1f}"'
        f' fill="#e8f1fb"/>{ticks}{times}<polyline points="{curve}" fill="none" stroke="#1668b0" stroke-width="2"/></svg>\n'
    )


def write(path: Path, samples: Samples, rise: float, fall: float, title: str) -> None:
    """Store the picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg(samples, rise, fall, title))


def _highest(samples: Samples, after: float, until: float) -> int:
    """The highest value in a time; where none was taken, the last one before it."""
    inside = [value for at, value in samples if after < at <= until]
    return max(inside) if inside else next((value for at, value in reversed(samples) if at <= after), 0)


def _bounds(samples: Samples) -> tuple[float, int]:
    """The last time and the highest value, never zero."""
    return max(at for at, _ in samples), max(1, *(value for _, value in samples))
