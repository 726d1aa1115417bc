//! `archgen explain`: what a diagnostic code means.

use archgen_spec::{codes, diagnostic::Code, explain};

use crate::{
    arguments::ExplainArguments,
    exit::{self, Failure, Outcome},
    printer::Printer,
};

/// Prints one explanation, or the list of codes.
pub fn run(arguments: &ExplainArguments, printer: Printer) -> Outcome {
    if arguments.code.eq_ignore_ascii_case("list") {
        let lines = codes().iter().map(|e| format!("{}  {}\n", e.code, e.title));
        printer.data(&lines.collect::<String>());
        return Ok(exit::OK);
    }
    match Code::parse(&arguments.code).and_then(explain) {
        Some(explanation) => {
            printer.data(&explanation.to_string());
            Ok(exit::OK)
        }
        None => Err(Failure::new(
            exit::USAGE,
            format!(
                "`{}` is no diagnostic code\n\nUsage: archgen explain CODE, for example `archgen explain {}`; `archgen explain \
                 list` prints all {} codes",
                arguments.code,
                nearest(&arguments.code),
                codes().len()
            ),
        )),
    }
}

/// The code whose number is nearest to the digits in the text, else the first.
fn nearest(text: &str) -> Code {
    let digits: String = text.chars().filter(char::is_ascii_digit).take(5).collect();
    let number: u16 = digits.parse().unwrap_or(0);
    codes().iter().map(|e| e.code).min_by_key(|c| c.0.abs_diff(number)).unwrap_or(Code(number))
}
