//! Every quantity: what parses prints itself, and the print parses to the same print.
#![no_main]

use archgen_spec::units::*;
use libfuzzer_sys::fuzz_target;

fn round<U: Unit>(text: &str) {
    if let Ok(value) = U::parse(text) {
        let printed = value.print();
        let again = U::parse(&printed).map(|v| v.print());
        assert_eq!(again.as_deref(), Ok(printed.as_str()), "{} from {text:?}", U::WHAT);
    }
}

fuzz_target!(|text: &str| {
    round::<Bytes>(text);
    round::<Count>(text);
    round::<Percent>(text);
    round::<Probability>(text);
    round::<Zipf>(text);
    round::<HealthCheck>(text);
    round::<RestartBackoff>(text);
    round::<Version>(text);
    round::<Limit>(text);
    round::<Rate>(text);
    round::<Period>(text);
    round::<PeriodRange>(text);
    round::<Tolerance>(text);
});
