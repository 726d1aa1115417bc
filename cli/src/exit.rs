//! Exit statuses: the contract with scripts. 1 to 3 speak of the user's system, 64 and above of the call or the machine
//! (sysexits.h).

/// Done, and nothing is wrong.
pub const OK: u8 = 0;
/// Errors in the spec; a simulation that is red or vacuous.
pub const WRONG: u8 = 1;
/// `plan`: something changes.
pub const CHANGES: u8 = 2;
/// `drift`: something is not as the spec says.
pub const DRIFT: u8 = 3;
/// Wrong use of the command line.
pub const USAGE: u8 = 64;
/// Something that the command needs is not there: no fleet is up, one is up already, a port is taken, a store's engine has no
/// driver.
pub const UNAVAILABLE: u8 = 69;
/// The operating system refused: files, processes, sockets.
pub const SYSTEM: u8 = 71;
/// An output would overwrite a file that is not ours.
pub const REFUSED: u8 = 73;
/// Not yet: a wait ended before its condition held.
pub const NOT_YET: u8 = 75;
/// A host's configuration cannot work: starting it again would not help.
pub const CONFIGURATION: u8 = 78;

/// A command that did not succeed: the status it ends with, and what there is to say.
#[derive(Debug)]
pub struct Failure {
    /// Exit status.
    pub status: u8,
    /// What to print; causes follow after colons.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure of this status.
    pub fn new(status: u8, message: impl Into<String>) -> Self {
        Self { status, error: anyhow::Error::msg(message.into()) }
    }
}

/// What fails without a status of its own is the operating system's refusal.
impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self { status: SYSTEM, error }
    }
}

/// What a command ends with: a status, or a failure to be printed.
pub type Outcome = Result<u8, Failure>;
