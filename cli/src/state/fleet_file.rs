//! The fleet as it was decided at `up`: the spec's texts, addresses, how it runs. Children read it, so that an edited spec does
//! not change a running fleet host by host.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use archgen_env::net::Address;
use archgen_fleet::{Addresses, Assembly, EngineKind, PublicUrls};
use archgen_ports::ServiceKey;
use archgen_spec::topology::{Component, Topology};
use serde::{Deserialize, Serialize};

use super::{Nodes, StateFolder, files::read_if_there, with_held, write_private};
use crate::{
    means::means,
    spec_files::{self, SpecTexts},
};

/// What `up` decided.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FleetFile {
    /// The spec and its overlays as they were.
    pub spec: SpecTexts,
    /// Where the spec's relative paths begin.
    pub folder: PathBuf,
    /// Address of every host.
    pub addresses: Addresses,
    /// Whether hosts are tasks of the supervisor's process.
    pub in_process: bool,
    /// Nodes of stores that move their data.
    #[serde(default)]
    pub nodes: Nodes,
    /// Most that a move copies in a second, bytes, where that was said.
    #[serde(default)]
    pub moved_bytes_per_second_max: Option<u64>,
    /// Whether hosts obey orders to suffer faults.
    #[serde(default)]
    pub chaos: bool,
    /// The bug that is planted in every host.
    #[cfg(sabotage)]
    #[serde(default)]
    pub sabotage: Option<String>,
    /// Whether there is what demo users need, who are made at the start.
    #[serde(default)]
    pub demo: bool,
}

impl FleetFile {
    /// Writes it.
    ///
    /// # Errors
    /// The file system's.
    pub fn save(&self, state: &StateFolder) -> anyhow::Result<()> {
        write_private(&state.fleet(), &serde_json::to_string_pretty(self)?)
    }

    /// Puts it beside that of the running fleet, which is to take it in.
    ///
    /// # Errors
    /// The file system's.
    pub fn save_next(&self, state: &StateFolder) -> anyhow::Result<()> {
        write_private(&state.next_fleet(), &serde_json::to_string_pretty(self)?)
    }

    /// Reads what was put beside it.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn load_next(state: &StateFolder) -> anyhow::Result<Self> {
        Self::read(&state.next_fleet())
    }

    /// Reads it.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn load(state: &StateFolder) -> anyhow::Result<Self> {
        Self::read(&state.fleet())
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let text = read_if_there(path)?.with_context(|| format!("`{}` is not there", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("`{}` is damaged", path.display()))
    }

    /// The fleet's assembly.
    ///
    /// # Errors
    /// The spec has errors in this process's environment.
    pub fn assembly(&self, key: ServiceKey) -> anyhow::Result<Arc<Assembly>> {
        self.assembly_of(Arc::new(spec_files::reload(&self.spec)?), key)
    }

    /// The assembly of a topology already loaded.
    ///
    /// # Errors
    /// A secret is not there.
    pub fn assembly_of(&self, topology: Arc<Topology>, key: ServiceKey) -> anyhow::Result<Arc<Assembly>> {
        let topology = Arc::new(with_held((*topology).clone(), &self.nodes));
        let urls = |component: Component| {
            let instances = topology.component_instances(component);
            instances.iter().filter_map(|i| self.addresses.get(&i.name)).map(url).collect::<Vec<String>>()
        };
        let gateway = urls(Component::Gateway).into_iter().next().unwrap_or_default();
        let public = PublicUrls { gateway, realtime: urls(Component::Realtime) };
        let addresses = self.addresses.clone();
        let means = means(&topology, &self.folder)?;
        let founders = self.nodes.iter().map(|(store, nodes)| (store.clone(), nodes.founders)).collect();
        let engine = EngineKind::Fjall;
        Ok(Arc::new(Assembly { topology, addresses, key, engine, copies: false, public, means, founders }))
    }
}

fn url(address: &Address) -> String {
    format!("http://{address}")
}
