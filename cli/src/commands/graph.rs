//! `archgen graph`: the logical view as a diagram, any view as a picture.

use archgen_generator::{GraphFormat, Theme, View, difference, picture};

use crate::{
    arguments::{GraphArguments, Notation},
    exit::{self, Failure, Outcome},
    printer::Printer,
    spec_files::{self, Environment},
};

/// Prints the diagram.
pub fn run(arguments: &GraphArguments, printer: Printer) -> Outcome {
    let environment = Environment::Exactly(arguments.environment.as_deref());
    let (topology, _) = spec_files::topology(&arguments.spec, environment, printer)?;
    let format = match arguments.format {
        Notation::Mermaid => GraphFormat::Mermaid,
        Notation::Dot => GraphFormat::Dot,
        Notation::Structurizr => GraphFormat::Structurizr,
        Notation::Plantuml => GraphFormat::PlantUml,
        Notation::Svg => {
            let theme = if arguments.dark { Theme::Dark } else { Theme::Light };
            let text = match &arguments.from {
                Some(old) => difference(&spec_files::topology(old, environment, printer)?.0, &topology, theme),
                None => picture(&topology, view(&arguments.view)?, theme),
            };
            printer.data(&text);
            return Ok(exit::OK);
        }
    };
    printer.data(&archgen_generator::graph(&topology, format));
    Ok(exit::OK)
}

fn view(name: &str) -> Result<View, Failure> {
    let known = || View::ALL.map(|(name, _)| name).join(", ");
    let found = View::ALL.iter().find(|(n, _)| *n == name).map(|(_, view)| *view);
    found.ok_or_else(|| Failure::new(exit::USAGE, format!("there is no view `{name}`; views: {}", known())))
}
