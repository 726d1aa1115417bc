//! `archgen config`: the spec as it is meant, with the origin of every value.

use archgen_spec::{diagnostic::human, resolved};

use crate::{
    arguments::{ConfigArguments, DataFormat},
    exit::{self, Failure, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Prints it. A spec with errors has no resolved form.
pub fn run(arguments: &ConfigArguments, printer: Printer) -> Outcome {
    let environment = arguments.environment.as_deref();
    let (loaded, _) = spec_files::load(&arguments.spec, Environment::Exactly(environment))?;
    let problems = human(&loaded.diagnostics, &loaded.sources, printer.color_notes());
    if !problems.is_empty() {
        printer.note(&problems);
    }
    if loaded.topology.is_none() {
        return Err(Failure::new(
            exit::WRONG,
            format!("`{}` has errors: it has no resolved form", arguments.spec.display()),
        ));
    }
    let resolved = resolved(&loaded);
    printer.data(&match (arguments.format, arguments.show_origin) {
        (DataFormat::Yaml, origins) => resolved.yaml(origins),
        (DataFormat::Json, false) => format!("{:#}\n", resolved.json()),
        (DataFormat::Json, true) => format!("{:#}\n", resolved.json_with_origins(environment)),
    });
    Ok(exit::OK)
}
