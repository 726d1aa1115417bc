//! `archgen lsp`: the language server, until the editor leaves.

use crate::{
    arguments::LspArguments,
    exit::{self, Outcome},
    lsp,
};

/// Serves one editor. Standard input and output are the only transport, asked for or not.
pub fn run(_: &LspArguments) -> Outcome {
    lsp::serve()?;
    Ok(exit::OK)
}
