//! Shares as people write them: percent with at most two decimals.

use std::{fmt, str::FromStr};

use switcher_common::abi::switch::Share;

/// A share, written in percent: `12.5`, `12.50%`, `0.01%`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(pub Share);

/// Why a text is not a share.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("\"{0}\" is not a share: write a percentage from 0 to 100 with at most two decimals, such as 12.5%")]
pub struct NotAShare(String);

impl FromStr for Percent {
    type Err = NotAShare;

    fn from_str(text: &str) -> Result<Self, NotAShare> {
        parse(text).ok_or_else(|| NotAShare(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Percent> {
    let text = text.strip_suffix('%').unwrap_or(text);
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits =
        |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole, 3) || !digits(decimals, 2) {
        return None;
    }
    let hundredths: u16 = format!("{decimals:0<2}").parse().ok()?;
    let whole: u16 = whole.parse().ok()?;
    Share::new(whole.checked_mul(100)?.checked_add(hundredths)?).map(Percent)
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let points = self.0.basis_points();
        match (points / 100, points % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, hundredths) if hundredths % 10 == 0 => write!(f, "{whole}.{}%", hundredths / 10),
            (whole, hundredths) => write!(f, "{whole}.{hundredths:02}%"),
        }
    }
}

impl Percent {
    /// The share as a number of percent, for JSON.
    pub fn number(self) -> f64 {
        f64::from(self.0.basis_points()) / 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_share_survives_writing_and_reading() {
        for points in 0..=10_000 {
            let percent = Percent(Share::new(points).unwrap());
            assert_eq!(percent.to_string().parse(), Ok(percent));
        }
    }

    #[test]
    fn what_is_not_a_share_is_refused() {
        for text in
            ["", "%", "-1", "100.01", "101", "1.234", ".5", "5.", "1e1", "+1", " 1", "1 %", "NaN", "99999"]
        {
            assert_eq!(text.parse::<Percent>(), Err(NotAShare(text.to_owned())));
        }
        assert_eq!("0.01".parse::<Percent>().unwrap().0.basis_points(), 1);
        assert_eq!("12.5%".parse::<Percent>().unwrap().to_string(), "12.5%");
    }
}
