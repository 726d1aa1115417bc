//! Command-line arguments: shapes, help, defaults. What commands do with them is in `commands`.

mod fleet;
mod generated;
mod program;
mod sim;
mod spec;

pub use fleet::{
    CopyArguments, DownArguments, HostArguments, ListFormat, LogsArguments, PsArguments, RestartArguments,
    StateArguments, SuperviseArguments, UpArguments, WaitArguments,
};
pub use generated::{
    ApplyArguments, DriftArguments, ImportArguments, MigrateSchemaArguments, PlanArguments, SyncArguments,
};
pub use program::{Command, Program};
pub use sim::SimArguments;
pub use spec::{
    CheckArguments, CheckFormat, ConfigArguments, DataFormat, ExplainArguments, FixArguments, FmtArguments,
    GenerateArguments, GraphArguments, InitArguments, LspArguments, MigrateArguments, Notation, ReportFormat,
    SchemaArguments, ShardsAction, ShardsArguments, Starter,
};
