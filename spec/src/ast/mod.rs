//! Wire shapes: what a spec says, section by section, every value with its place and nothing decided yet.
//!
//! A collecting decoder builds them from the tree and reports every fault of form. Names are text here; ids exist only
//! after `lower`.

#[macro_use]
mod section;
mod choice;
mod cors;
mod decoder;
mod drift;
mod endpoint;
mod gateway;
mod load;
mod meta;
mod objectives;
mod policies;
mod prices;
mod profiles;
mod queries;
mod realtime;
mod registry;
mod scalar;
mod services;
mod shape;
mod sim;
mod stores;
mod trials;

pub use choice::Choice;
pub use decoder::{Decode, Decoder, Field, Keys, Named};
pub use drift::Drift;
pub use endpoint::{Endpoint, Endpoints};
pub use gateway::{Gateway, GatewayDiscovery, Route, RouteAuth};
pub use load::Load;
pub use meta::Spec;
pub use objectives::Objectives;
pub use policies::{Level, Policy, Waiver};
pub use prices::Prices;
pub use profiles::{Profile, Profiles};
pub use queries::Query;
pub use realtime::Realtime;
pub use registry::{Acl, Registry};
pub use scalar::{ColumnsOf, Hash, Host, Identifier, KeyColumns, Name, Port, ShardKey, VersionName, is_name};
pub use services::{Environment, Program, Service};
pub use shape::{Decider, Scalar, ScalarKind, Section, Shape, Variants};
pub use sim::{Fault, FaultName, Sim};
pub use stores::{BucketWidth, Dataset, DatasetKey, Store};
pub use trials::{Expectation, Loss, Test};
