//! Where the hosts' own log lines go. `ARCHGEN_LOG` says which: `debug`, or `warn,archgen_services=debug`.

use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::exit::{self, Failure};

/// What is logged unless `ARCHGEN_LOG` says otherwise: the storage engine's own bookkeeping only when something is wrong.
const LOG_DEFAULT: &str = "info,fjall=warn,lsm_tree=warn,value_log=warn";

/// Logs compact lines to this writer.
///
/// # Errors
/// `ARCHGEN_LOG` is malformed.
pub fn log_to<W>(writer: W) -> Result<(), Failure>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let wanted = std::env::var("ARCHGEN_LOG").unwrap_or_else(|_| LOG_DEFAULT.to_owned());
    let filter = EnvFilter::try_new(&wanted)
        .map_err(|error| Failure::new(exit::USAGE, format!("ARCHGEN_LOG is malformed: {error}")))?;
    tracing_subscriber::fmt().compact().with_ansi(false).with_env_filter(filter).with_writer(writer).init();
    Ok(())
}
