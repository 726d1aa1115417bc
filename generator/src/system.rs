//! A topology with what several targets derive from it, each derived once.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use archgen_spec::topology::{Component, Topology};

use crate::picture::{self, Layout, Theme, View};
use crate::plan::{Plan, plan};

/// Components that a picture shows: more of them nobody could read, and a browser could not draw.
const DRAWN_MAX: usize = 400;

/// A system that artifacts are made of.
pub(crate) struct System<'a> {
    pub(crate) topology: &'a Topology,
    callers: OnceLock<BTreeMap<Component, Vec<Component>>>,
    plan: OnceLock<Plan>,
    drawn: OnceLock<(Vec<Component>, usize)>,
    layouts: [OnceLock<Layout>; View::ALL.len()],
    pictures: [OnceLock<String>; View::ALL.len() * 2],
}

impl<'a> System<'a> {
    /// Derives nothing yet.
    pub(crate) fn of(topology: &'a Topology) -> Self {
        Self {
            topology,
            callers: OnceLock::new(),
            plan: OnceLock::new(),
            drawn: OnceLock::new(),
            layouts: Default::default(),
            pictures: Default::default(),
        }
    }

    /// Who calls this component, in the order of components.
    pub(crate) fn callers(&self, of: Component) -> &[Component] {
        let all = self.callers.get_or_init(|| {
            let mut callers: BTreeMap<Component, Vec<Component>> = BTreeMap::new();
            for caller in self.topology.components() {
                for called in self.topology.component_calls(caller) {
                    callers.entry(called).or_default().push(caller);
                }
            }
            callers
        });
        all.get(&of).map_or(&[], Vec::as_slice)
    }

    /// Where slots are, and what follows from it.
    pub(crate) fn plan(&self) -> &Plan {
        self.plan.get_or_init(|| plan(self.topology))
    }

    /// What pictures show, in the order of components: all, or those with the most arrows; and how many are left out.
    pub(crate) fn drawn(&self) -> (&[Component], usize) {
        let (drawn, left_out) = self.drawn.get_or_init(|| {
            let mut all = self.topology.components();
            let left_out = all.len().saturating_sub(DRAWN_MAX);
            if left_out > 0 {
                let arrows = |c: &Component| self.callers(*c).len() + self.topology.component_needs(*c).len();
                all.sort_by_cached_key(|c| std::cmp::Reverse(arrows(c)));
                all.truncate(DRAWN_MAX);
                all.sort_unstable();
            }
            (all, left_out)
        });
        (drawn, *left_out)
    }

    /// Where a view's boxes are, in either theme.
    pub(crate) fn layout(&self, view: View) -> &OnceLock<Layout> {
        &self.layouts[place(view)]
    }

    /// A view, drawn.
    pub(crate) fn picture(&self, view: View, theme: Theme) -> &str {
        self.pictures[place(view) * 2 + usize::from(theme == Theme::Dark)]
            .get_or_init(|| picture::of(self, view, theme))
    }
}

fn place(view: View) -> usize {
    View::ALL.iter().position(|(_, v)| *v == view).unwrap_or(0)
}
