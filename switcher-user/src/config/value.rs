//! Values of single fields, each checked by itself.

use std::{fmt::Display, ops::RangeInclusive, path::PathBuf, time::Duration};

use humantime::{format_duration, parse_duration};
use toml::de::DeValue;

use super::report::Wrong;
use crate::model::Percent;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// The shortest of all durations.
pub(super) const SECOND: Duration = Duration::from_secs(1);
/// The longest of most durations.
pub(super) const DAY: Duration = Duration::from_secs(24 * HOUR);

pub(super) fn text<'v>(value: &'v DeValue<'_>, example: &str) -> Result<&'v str, Wrong> {
    value
        .as_str()
        .ok_or_else(|| Wrong::new("is not a string", format!("write it in quotes, such as {example:?}")))
}

pub(super) fn integer<T>(value: &DeValue<'_>, range: &RangeInclusive<T>) -> Result<T, Wrong>
where
    T: TryFrom<i128> + PartialOrd + Display,
{
    let wrong = |what| Wrong::new(what, format!("write a number from {} to {}", range.start(), range.end()));
    let integer = value.as_integer().ok_or_else(|| wrong("is not an integer"))?;
    let number = i128::from_str_radix(integer.as_str(), integer.radix()).ok();
    number
        .and_then(|number| T::try_from(number).ok())
        .filter(|number| range.contains(number))
        .ok_or_else(|| wrong("is out of range"))
}

/// One of a few words.
pub(super) fn choice<T: Copy>(value: &DeValue<'_>, choices: &[(&str, T)]) -> Result<T, Wrong> {
    let words = || choices.iter().map(|(word, _)| format!("{word:?}")).collect::<Vec<_>>().join(" or ");
    let Some(text) = value.as_str() else {
        return Err(Wrong::new("is not a string", format!("write {}", words())));
    };
    let chosen = choices.iter().find(|(word, _)| *word == text);
    chosen.map(|&(_, choice)| choice).ok_or_else(|| Wrong::new("is unknown", format!("write {}", words())))
}

/// The name of a service or switch.
pub(super) fn name(value: &DeValue<'_>) -> Result<String, Wrong> {
    let name = text(value, "web")?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if (1..=63).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(name.to_owned());
    }
    Err(Wrong::new("is not a name", "write 1 to 63 letters, digits, '-', '_' or '.'"))
}

pub(super) fn path(value: &DeValue<'_>, example: &str) -> Result<PathBuf, Wrong> {
    let path = text(value, example)?;
    if !path.starts_with('/') {
        return Err(Wrong::new("is not an absolute path", format!("write one, such as {example:?}")));
    }
    if path.contains('\0') {
        return Err(Wrong::new("holds a NUL character", "remove it"));
    }
    Ok(PathBuf::from(path))
}

pub(super) fn duration(
    value: &DeValue<'_>,
    range: &RangeInclusive<Duration>,
    example: &str,
) -> Result<Duration, Wrong> {
    let text = text(value, example)?;
    let Ok(duration) = parse_duration(text) else {
        return Err(Wrong::new(
            "is not a duration",
            format!("write a number with a unit, such as {example:?}"),
        ));
    };
    if range.contains(&duration) {
        return Ok(duration);
    }
    let (least, most) = (format_duration(*range.start()), format_duration(*range.end()));
    Err(Wrong::new("is out of range", format!("write a duration from {least} to {most}")))
}

/// The pace of a drain: `5%/10s`, in basis points and the interval.
pub(super) fn pace(value: &DeValue<'_>) -> Result<(u16, Duration), Wrong> {
    const EXAMPLE: &str = "5%/10s";
    let text = text(value, EXAMPLE)?;
    let Some((share, interval)) = text.split_once('/') else {
        let fix = format!("write a percentage, a slash and a duration, such as {EXAMPLE:?}");
        return Err(Wrong::new("is not a pace", fix));
    };
    let share = share.parse::<Percent>().map(|percent| percent.0.basis_points()).unwrap_or_default();
    if share == 0 {
        let fix = format!("write one with at most two decimals, such as {EXAMPLE:?}");
        return Err(Wrong::new("has no share from 0.01% to 100% before the slash", fix));
    }
    match parse_duration(interval) {
        Ok(interval) if (SECOND..=DAY).contains(&interval) => Ok((share, interval)),
        _ => {
            let fix = format!("write one with a unit, such as {EXAMPLE:?}");
            Err(Wrong::new("has no interval from 1s to 24h after the slash", fix))
        }
    }
}

/// 32 hex digits: two words, each written from its high end.
pub(super) fn seed(value: &DeValue<'_>) -> Result<[u64; 2], Wrong> {
    let wrong = |what| Wrong::new(what, "write what `openssl rand -hex 16` prints");
    let text = value.as_str().ok_or_else(|| wrong("is not a string"))?;
    if text.len() != 32 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(wrong("is not 32 hex digits"));
    }
    let word = |digits| u64::from_str_radix(digits, 16).map_err(|_| wrong("is not 32 hex digits"));
    Ok([word(&text[..16])?, word(&text[16..])?])
}
