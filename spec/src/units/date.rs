//! Dates of the calendar.

use super::{Unit, UnitError};

/// A day: `2027-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

fn days_of(year: u16, month: u8) -> u8 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u8::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Date {
    /// The day that begins so many days after 1970-01-01 (H. Hinnant, "chrono-compatible low-level date algorithms").
    pub fn of_unix_days(days: u32) -> Self {
        let z = u64::from(days) + 719_468;
        let (era, of_era) = (z / 146_097, z % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let shifted = (5 * of_year + 2) / 153;
        let day = of_year - (153 * shifted + 2) / 5 + 1;
        let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
        let year = year_of_era + era * 400 + u64::from(month <= 2);
        let narrow = |value: u64| u8::try_from(value).unwrap_or(u8::MAX);
        Self { year: u16::try_from(year).unwrap_or(u16::MAX), month: narrow(month), day: narrow(day) }
    }
}

impl Unit for Date {
    const WHAT: &'static str = "a date";
    const FORMS: &'static str = "`2027-01-31` (year, month, day)";
    const PATTERN: &'static str = "[0-9]{4}-[0-9]{2}-[0-9]{2}";
    fn parse(text: &str) -> Result<Self, UnitError> {
        let bytes = text.as_bytes();
        let form = bytes.len() == 10
            && bytes.iter().enumerate().all(|(i, b)| if matches!(i, 4 | 7) { *b == b'-' } else { b.is_ascii_digit() });
        if !form {
            return Err(UnitError::Form);
        }
        let part = |from: usize, to: usize| text[from..to].parse::<u16>().unwrap_or(0);
        let narrow = |value: u16| u8::try_from(value).unwrap_or(u8::MAX);
        let date = Self { year: part(0, 4), month: narrow(part(5, 7)), day: narrow(part(8, 10)) };
        let exists = (1..=12).contains(&date.month) && date.day >= 1 && date.day <= days_of(date.year, date.month);
        if exists { Ok(date) } else { Err(UnitError::Range("the calendar has no such day")) }
    }
    fn print(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
