//! Load, prices, objectives, simulation, policies and tests.

use std::time::Duration;

use crate::ast::{self, FaultName, Level};
use crate::source::Spanned;
use crate::topology::{Expectation, Fault, FaultKind, Load, Loss, Objectives, Policy, Prices, Simulation, Test, Trial};
use crate::units::Objective;

use super::resolve::Resolution;

/// The load, with the defaults of a small system where nothing is said.
pub(super) fn load(work: &mut Resolution<'_>) -> Load {
    let mut load = Load::default();
    let Some(written) = work.spec.load.as_ref().map(|l| &l.value) else {
        work.origins.by_default(|| ("load".to_owned(), "1k users".to_owned()), "a small system");
        return load;
    };
    load.users = written.users.map_or(load.users, |u| u.value.0);
    load.online = written.online.map_or(load.online.min(load.users), |o| o.value.0);
    let Some(messages) = written.messages.as_ref().map(|m| &m.value) else { return load };
    let model = &mut load.messages;
    model.mean_per_second = messages.mean.map_or(model.mean_per_second, |r| r.value.per_second());
    model.peak_per_second = messages.peak.map_or(model.mean_per_second * 10.0, |r| r.value.per_second());
    model.size_bytes = messages.size.map_or(model.size_bytes, |s| s.value.0);
    model.key = messages.key.as_ref().map_or(model.key.clone(), |k| k.value.0.clone());
    model.skew = messages.skew.map_or(model.skew, |s| s.value.0);
    model.keys = messages.keys.map_or(model.keys, |k| k.value.0);
    load
}

/// The prices, where there are any.
pub(super) fn prices(work: &mut Resolution<'_>) -> Option<Prices> {
    let written = &work.spec.prices.as_ref()?.value;
    let components = written.components.iter().flat_map(|c| &c.value);
    let components = components.map(|c| (work.names.component(&c.name, work.out), c.value.0)).collect();
    let currency = written.currency.as_ref().map(|c| c.value.clone());
    Some(Prices {
        currency: work.or(currency, || "prices.currency".to_owned(), "EUR".to_owned(), "EUR", "the euro"),
        instance: written.instance.map_or(0.0, |m| m.value.0),
        components,
        disk: written.disk.map_or(0.0, |m| m.value.0),
    })
}

/// What is promised, with the default where nothing is said.
pub(super) fn objectives(work: &mut Resolution<'_>) -> Objectives {
    let written = work.spec.objectives.as_ref().map(|o| &o.value);
    let success = written.and_then(|o| o.success).map(|s| s.value);
    let components = written.iter().flat_map(|o| &o.components).flat_map(|c| &c.value);
    let components = components.map(|c| (work.names.component(&c.name, work.out), c.value)).collect();
    let reason = "43 minutes a month: what two instances and one person on call can keep";
    Objectives {
        success: work.or(success, || "objectives.success".to_owned(), Objective(100), "99.9%", reason),
        components,
    }
}

/// What `archgen drift` leaves out.
pub(super) fn drift_ignored(spec: &ast::Spec) -> Vec<String> {
    let all = spec.drift.iter().flat_map(|d| &d.value.ignore).flat_map(|i| &i.value);
    all.map(|one| one.value.clone()).collect()
}

/// The simulation, with the defaults where nothing is said.
pub(super) fn simulation(work: &mut Resolution<'_>) -> Simulation {
    let mut simulation = Simulation::default();
    let Some(written) = work.spec.sim.as_ref().map(|s| &s.value) else { return simulation };
    let path = |key: &str| format!("sim.{key}");
    let (duration, settle) = (written.duration.map(|d| d.value.0), written.settle.map(|s| s.value.0));
    let (clients, sends) = (written.clients.map(|c| c.value), written.sends.map(|s| s.value));
    let reason = "enough to find most faults in a second";
    simulation.duration = work.or(duration, || path("duration"), simulation.duration, "10s", reason);
    simulation.settle =
        work.or(settle, || path("settle"), simulation.settle, "8s", "longer than every lease and retry");
    simulation.clients = work.or(clients, || path("clients"), simulation.clients, "3", reason);
    simulation.sends = work.or(sends, || path("sends"), simulation.sends, "20", reason);
    if let Some(invariants) = &written.invariants {
        let mut all: Vec<_> = Vec::new();
        for invariant in invariants.value.iter().map(|i| i.value) {
            if !all.contains(&invariant) {
                all.push(invariant);
            }
        }
        simulation.invariants = all;
    }
    let faults = written.faults.iter().flat_map(|f| &f.value);
    simulation.faults = faults.filter_map(|f| fault(&f.value, work)).collect();
    simulation
}

fn fault(written: &ast::Fault, work: &mut Resolution<'_>) -> Option<Fault> {
    let on = |work: &mut Resolution<'_>| written.on.as_ref().map(|on| work.names.component(on, work.out));
    let second = Duration::from_secs(1);
    let (kind, lasts) = match written.kind.as_ref()?.value {
        FaultName::Partition => {
            let sides = &written.between.as_ref()?.value;
            let kind = FaultKind::Partition {
                a: work.names.component(&sides.0, work.out),
                b: work.names.component(&sides.1, work.out),
                one_way: written.one_way.is_some_and(|o| o.value),
            };
            (kind, (Duration::from_millis(100), 3 * second))
        }
        FaultName::Crash => (FaultKind::Exit { on: on(work)? }, (Duration::from_millis(500), 2 * second)),
        FaultName::PowerLoss => (FaultKind::PowerLoss { on: on(work)? }, (Duration::from_millis(500), 2 * second)),
        FaultName::ClockSkew => {
            let by = written.by.map_or(second, |b| b.value.0);
            // A clock that is wrong stays wrong.
            return Some(Fault {
                kind: FaultKind::ClockSkew { on: on(work)?, by },
                probability: 1.0,
                lasts: (Duration::ZERO, Duration::ZERO),
            });
        }
        FaultName::ZoneLoss => {
            let zone = work.names.zone(written.zone.as_ref()?, work.out);
            (FaultKind::ZoneLoss { zone }, (second, 10 * second))
        }
    };
    let lasts = written.r#for.map_or(lasts, |f| (f.value.0, f.value.1));
    Some(Fault { kind, probability: written.p.map_or(0.1, |p| p.value.0), lasts })
}

/// The policies.
pub(super) fn policies(work: &mut Resolution<'_>) -> Vec<Policy> {
    let all = work.spec.policies.iter().flat_map(|p| &p.value);
    all.map(|p| Policy {
        id: p.value.id.as_ref().map_or_else(String::new, |i| i.value.0.clone()),
        every: p.value.every.map(|e| e.value.name()),
        check: p.value.check.as_ref().map_or_else(String::new, |c| c.value.clone()),
        error: p.value.level.is_none_or(|l| l.value == Level::Error),
    })
    .collect()
}

/// The tests. What says half of what it asks has a code of its own and is left out.
pub(super) fn tests(work: &mut Resolution<'_>) -> Vec<Test> {
    let spec = work.spec;
    let all = spec.tests.iter().flat_map(|t| &t.value);
    all.filter_map(|test| {
        let id = test.value.id.as_ref().map_or_else(String::new, |i| i.value.0.clone());
        trial(&test.value, work).map(|trial| Test { id, trial })
    })
    .collect()
}

fn trial(written: &ast::Test, work: &mut Resolution<'_>) -> Option<Trial> {
    if let Some(check) = &written.check {
        return Some(Trial::Assertion {
            check: check.value.clone(),
            every: written.every.map(|e| e.value.name()),
            load: written.load.map_or(1.0, |l| l.value.0),
        });
    }
    let loss = written.lose.as_ref()?;
    let lost = &loss.value;
    let text = Spanned { value: lost.text.clone(), span: loss.span };
    let place = text.part(lost.name_at, lost.name_at + lost.name.len());
    let name = Spanned { value: lost.name.clone(), span: place };
    let lose = match lost.whole_zone {
        true => Loss::Zone(work.names.zone(&name, work.out)),
        false => Loss::One(work.names.component(&name, work.out)),
    };
    let expect = written.expect.iter().flat_map(|e| &e.value).map(|e| match e.value {
        ast::Expectation::Keeps(invariant) => Expectation::Keeps(invariant),
        ast::Expectation::SendsRefusedAtMost(bound) => Expectation::SendsRefusedAtMost(bound.0),
    });
    Some(Trial::Scenario { lose, lasts: lost.lasts.0, expect: expect.collect() })
}
