//! The language server: the protocol over standard input and output, the open documents, and which spec a file belongs to. What
//! there is to say about a spec is `archgen_spec::editor`'s.

mod answers;
mod documents;
mod places;
mod server;

pub use server::serve;
