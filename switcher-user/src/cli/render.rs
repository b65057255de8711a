//! The small parts of what people see: colors, bars, shares, durations, counts.
//!
//! Text is styled unconditionally; anstream takes the escapes out where nobody wants them.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use switcher_common::abi::switch::Color;

/// Things that are well or new.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Things that are wrong or go.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Things worth a look.
pub const WARN: Style = AnsiColor::Yellow.on_default();
/// Things that are there for completeness.
pub const DIM: Style = Style::new().dimmed();
/// What a line is about.
pub const BOLD: Style = Style::new().bold();

const BAR_CELLS: u8 = 20;

/// Text in a style.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

const fn hue(color: Color) -> Style {
    match color {
        Color::Blue => AnsiColor::BrightBlue.on_default(),
        Color::Green => AnsiColor::Green.on_default(),
    }
}

/// The name of a color, in it.
pub fn color(color: Color) -> String {
    paint(hue(color).bold(), color.name())
}

/// Twenty cells: full ones for the green share, shaded ones for the blue, so that it reads without colors too.
///
/// A share that is not zero has at least one cell.
pub fn bar(green: f64) -> String {
    let of_green = |cell: u8| f64::from(cell) * 100.0 / f64::from(BAR_CELLS) - 2.5 <= green;
    let mut cells = (1..=BAR_CELLS).filter(|cell| of_green(*cell)).count();
    let all = usize::from(BAR_CELLS);
    if green > 0.0 {
        cells = cells.max(1);
    }
    if green < 100.0 {
        cells = cells.min(all - 1);
    }
    let full = paint(hue(Color::Green), "█".repeat(cells));
    let shaded = paint(hue(Color::Blue), "░".repeat(all - cells));
    format!("{full}{shaded}")
}

/// A share in percent, with as many decimals as it needs.
pub fn share(percent: f64) -> String {
    let text = format!("{percent:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}%")
}

/// A time in the largest two units that say something.
pub fn seconds(seconds: u64) -> String {
    let units =
        [(seconds / 86_400, "d"), (seconds / 3600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = units.iter().position(|(amount, _)| *amount > 0).unwrap_or(units.len() - 1);
    let parts: Vec<_> = units[first..]
        .iter()
        .take(2)
        .enumerate()
        .filter(|(at, (amount, _))| *at == 0 || *amount > 0)
        .map(|(_, (amount, unit))| format!("{amount}{unit}"))
        .collect();
    parts.join(" ")
}

/// A short time.
pub fn nanoseconds(ns: u64) -> String {
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{}.{} µs", ns / 1_000, ns / 100 % 10),
        1_000_000..1_000_000_000 => format!("{}.{} ms", ns / 1_000_000, ns / 100_000 % 10),
        _ => seconds(ns / 1_000_000_000),
    }
}

/// A count with a unit for thousands where it is long: `950`, `12.3k`, `1.2M`.
pub fn count(count: u64) -> String {
    scaled(count, "")
}

/// Bytes, in thousands: `0 B`, `1.5 MB`.
pub fn bytes(bytes: u64) -> String {
    format!("{}B", scaled(bytes, " "))
}

fn scaled(count: u64, gap: &str) -> String {
    let units = [(1_000_000_000_000, "T"), (1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")];
    match units.into_iter().find(|(size, _)| count >= *size) {
        None => format!("{count}{gap}"),
        Some((size, unit)) => format!("{}.{}{gap}{unit}", count / size, count % size / (size / 10)),
    }
}

/// A number with its noun.
pub fn counted(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Names and values, the values below each other.
pub fn aligned(rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter()
        .map(|(name, value)| format!("{}  {value}\n", paint(DIM, format_args!("{name:width$}"))))
        .collect()
}

#[cfg(test)]
mod tests {
    use anstream::adapter::strip_str;

    use super::*;

    #[test]
    fn a_bar_shows_every_share_that_is_not_zero() {
        let cells = |green| strip_str(&bar(green)).to_string().chars().filter(|cell| *cell == '█').count();
        let expected =
            [(0.0, 0), (0.01, 1), (2.4, 1), (7.4, 1), (7.5, 2), (50.0, 10), (99.99, 19), (100.0, 20)];
        for (green, full) in expected {
            assert_eq!(cells(green), full, "{green}");
            assert_eq!(strip_str(&bar(green)).to_string().chars().count(), 20);
        }
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0.0, 12.5, 0.01, 100.0, 33.33].map(share), ["0%", "12.5%", "0.01%", "100%", "33.33%"]);
        assert_eq!([0, 59, 60, 3600, 3725, 90_000].map(seconds), ["0s", "59s", "1m", "1h", "1h 2m", "1d 1h"]);
        assert_eq!([0, 999, 1_000, 12_345, 1_299_999].map(count), ["0", "999", "1.0k", "12.3k", "1.2M"]);
        assert_eq!([412, 3_100, 2_000_000].map(nanoseconds), ["412 ns", "3.1 µs", "2.0 ms"]);
        assert_eq!(bytes(1_500_000), "1.5 MB");
    }
}
