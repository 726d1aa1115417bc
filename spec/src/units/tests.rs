//! Accepted and refused forms, and round trips over random values.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn check<U: Unit>(input: &str, expect: Result<&str, UnitError>) {
    let got = U::parse(input).map(|u| u.print());
    assert_eq!(got.as_deref().map_err(Clone::clone), expect, "{input}");
}

#[test]
fn sizes() {
    check::<Bytes>("900B", Ok("900B"));
    check::<Bytes>("8GiB", Ok("8GiB"));
    check::<Bytes>("30GB", Ok("30GB"));
    check::<Bytes>("1024KiB", Ok("1MiB"));
    for bad in ["8", "GiB", "8 GiB", "8gib", "8.5GiB", "-1B", "", "٣B"] {
        check::<Bytes>(bad, Err(UnitError::Form));
    }
    check::<Bytes>("0B", Err(UnitError::Range("a size is at least 1B")));
    check::<Bytes>("99999999999999999999TiB", Err(UnitError::Range("the number is too large")));
}

#[test]
fn objectives() {
    check::<Objective>("99.9%", Ok("99.9%"));
    check::<Objective>("99.950%", Ok("99.95%"));
    check::<Objective>("99%", Ok("99%"));
    check::<Objective>("99.999%", Ok("99.999%"));
    check::<Objective>("94%", Ok("94%"));
    for bad in ["99.9", "0.999", "99.9 %", "99.%", "99.9999%", "%", "-99%", "nan%", "99,9%"] {
        check::<Objective>(bad, Err(UnitError::Form));
    }
    for bad in ["100%", "101%", "93.999%", "0%", "99999999999999999%"] {
        assert!(matches!(Objective::parse(bad), Err(UnitError::Range(_))), "{bad}");
    }
    for (text, budget) in [("99.9%", "0.1"), ("99.95%", "0.05"), ("99%", "1"), ("94.5%", "5.5"), ("99.999%", "0.001")] {
        assert_eq!(Objective::parse(text).map(Objective::budget_percent), Ok(budget.to_owned()));
    }
}

#[test]
fn dates() {
    check::<Date>("2027-01-31", Ok("2027-01-31"));
    check::<Date>("2028-02-29", Ok("2028-02-29"));
    for bad in ["2027-1-31", "31.01.2027", "2027-01-31T00:00", "", "2027/01/31", "tomorrow"] {
        check::<Date>(bad, Err(UnitError::Form));
    }
    for bad in ["2027-02-29", "2027-13-01", "2027-00-10", "1900-02-29"] {
        check::<Date>(bad, Err(UnitError::Range("the calendar has no such day")));
    }
    for (days, date) in
        [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_781, "2026-11-24"), (47_540, "2100-02-28")]
    {
        assert_eq!(Date::of_unix_days(days).print(), date);
    }
}

#[test]
fn durations() {
    check::<Period>("250ms", Ok("250ms"));
    check::<Period>("1m30s", Ok("90s"));
    check::<Period>("30d", Ok("30d"));
    check::<Period>("24h", Ok("1d"));
    check::<Period>("0s", Ok("0s"));
    for bad in ["30", "s", "30 s", "30s1m", "1s1s", "1.5s", "30sec", "1m30"] {
        check::<Period>(bad, Err(UnitError::Form));
    }
    check::<Period>("36501d", Err(UnitError::Range("a duration is at most 36500d")));
}

#[test]
fn rates_and_limits() {
    check::<Rate>("20/s", Ok("20/s"));
    check::<Rate>("2000/s", Ok("2k/s"));
    check::<Rate>("30/m", Ok("30/m"));
    check::<Rate>("20", Err(UnitError::Form));
    check::<Rate>("20/d", Err(UnitError::Form));
    check::<Limit>("20/s burst 40", Ok("20/s burst 40"));
    check::<Limit>("20/s", Ok("20/s"));
    check::<Limit>("20/s burst", Err(UnitError::Form));
    check::<Limit>("20/s burst 4x", Err(UnitError::Form));
}

#[test]
fn shares_and_phrases() {
    check::<Count>("5M", Ok("5M"));
    check::<Percent>("101%", Err(UnitError::Range("a percentage is 0% to 100%")));
    check::<Probability>("20%", Ok("0.2"));
    check::<Probability>("nan", Err(UnitError::Form));
    check::<Probability>("1.5", Err(UnitError::Range("a probability is 0 to 1")));
    check::<Probability>(".5", Ok("0.5"));
    check::<Probability>(".000001001", Ok("0.000001001"));
    // Once printed with its 0 it was too long to be read back.
    check::<Probability>(".0000010018821026039", Err(UnitError::Form));
    check::<Probability>(".", Err(UnitError::Form));
    check::<Factor>("999.999999999x", Ok("999.999999999x"));
    check::<Money>("999999999.0000001", Ok("999999999.0000001"));
    check::<Zipf>("zipf(0.8)", Ok("zipf(0.8)"));
    check::<Zipf>("zipf 0.8", Err(UnitError::Form));
    check::<PeriodRange>("100ms..3s", Ok("100ms..3s"));
    check::<PeriodRange>("3s..1s", Err(UnitError::Range("the first duration is longer than the second")));
    check::<Tolerance>("+-5m", Ok("±5m"));
    check::<HealthCheck>("/healthz every 5s", Ok("/healthz every 5s"));
    check::<HealthCheck>("healthz every 5s", Err(UnitError::Form));
    check::<RestartBackoff>("backoff 200ms..30s", Ok("backoff 200ms..30s"));
    check::<Version>("1.22.1", Ok("1.22"));
    check::<Version>("latest", Err(UnitError::Form));
}

#[test]
fn slips_are_guessed() {
    assert_eq!(guess::<Period>("30").as_deref(), Some("30s"));
    assert_eq!(guess::<Period>("5 minutes").as_deref(), Some("5m"));
    assert_eq!(guess::<Bytes>("8 GiB").as_deref(), Some("8GiB"));
    assert_eq!(guess::<Bytes>("100mb").as_deref(), Some("100MB"));
    assert_eq!(guess::<Rate>("2000").as_deref(), Some("2000/s"));
    assert_eq!(guess::<Limit>("20 per second").as_deref(), Some("20/s"));
    assert_eq!(guess::<Count>("5 million").as_deref(), Some("5M"));
    assert_eq!(guess::<Zipf>("0.8").as_deref(), Some("zipf(0.8)"));
    assert_eq!(guess::<Tolerance>("5m").as_deref(), Some("±5m"));
    assert_eq!(guess::<HealthCheck>("/healthz").as_deref(), Some("/healthz every 5s"));
    assert_eq!(guess::<RestartBackoff>("200ms..30s").as_deref(), Some("backoff 200ms..30s"));
    assert_eq!(guess::<RestartBackoff>("always").as_deref(), Some("backoff 200ms..30s"));
    assert_eq!(guess::<Zipf>("zipf").as_deref(), Some("zipf(0.8)"));
    assert_eq!(guess::<Period>("1.5m").as_deref(), Some("90s"));
    assert_eq!(guess::<Bytes>("8.5GiB").as_deref(), Some("8704MiB"));
    assert_eq!(guess::<Count>("1.5M").as_deref(), Some("1500k"));
    assert_eq!(guess::<Rate>("1.5k/s").as_deref(), Some("1500/s"));
    assert_eq!(guess::<Bytes>("1.0001GiB"), None);
    assert_eq!(guess::<Period>("soon"), None);
}

fn round_trip<U: Unit + PartialEq + std::fmt::Debug>(unit: U) -> Result<(), TestCaseError> {
    let printed = unit.print();
    let back = U::parse(&printed).map_err(|e| TestCaseError::fail(format!("{printed}: {e}")))?;
    prop_assert_eq!(back.print(), printed);
    prop_assert_eq!(back, unit);
    Ok(())
}

fn micros(max: u64) -> impl Strategy<Value = Duration> {
    (0..=max).prop_map(Duration::from_micros)
}

proptest! {
    #[test]
    fn every_unit_reads_back_what_it_prints(
        bytes in 1_u64..=1 << 60, count in 0_u64..=1_000_000_000_000, percent in 0_u8..=100,
        share in 0.0_f64..=1.0, events in 1_u64..=1_000_000_000, burst in 0_u32..=1_000_000,
        a in micros(4_000_000_000_000), b in micros(4_000_000_000_000), pick in 0_usize..3,
    ) {
        round_trip(Bytes(bytes))?;
        round_trip(Count(count))?;
        round_trip(Percent(percent))?;
        // A written decimal has at most nine places.
        let share = (share * 1e6).round() / 1e6;
        round_trip(Probability(share))?;
        round_trip(Zipf((share * 4e4).round() / 1e4))?;
        let rate = Rate { events, per: [Per::Second, Per::Minute, Per::Hour][pick] };
        round_trip(rate)?;
        round_trip(Limit { rate, burst })?;
        round_trip(Period(a))?;
        round_trip(Tolerance(b))?;
        round_trip(PeriodRange(a.min(b), a.max(b)))?;
        round_trip(Version(burst, percent.into()))?;
    }

    #[test]
    fn no_text_makes_a_parser_panic(text in "\\PC{0,24}", unit in "[0-9]{1,25}(B|GiB|s|ms|d|/s|%|k|\\.\\.)?[0-9]{0,3}(s|m)?") {
        for text in [&text, &unit] {
            let _ = (Bytes::parse(text), Count::parse(text), Period::parse(text), PeriodRange::parse(text), Rate::parse(text));
            let _ = (Limit::parse(text), Zipf::parse(text), Tolerance::parse(text), HealthCheck::parse(text));
            if let Ok(value) = Period::parse(text) {
                prop_assert_eq!(Period::parse(&value.print()), Ok(value));
            }
        }
    }
}
