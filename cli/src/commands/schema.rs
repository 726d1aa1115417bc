//! `archgen schema`: the JSON Schema of the spec language.

use archgen_spec::reference::{Describes, schema};

use crate::{
    arguments::SchemaArguments,
    exit::{self, Outcome},
    printer::Printer,
};

/// Prints it.
pub fn run(arguments: &SchemaArguments, printer: Printer) -> Outcome {
    let what = if arguments.overlay { Describes::Overlay } else { Describes::Spec };
    printer.data(&format!("{:#}\n", schema(what)));
    Ok(exit::OK)
}
