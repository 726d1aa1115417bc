//! What policies and tests come to: each is read, and, where everything else could be read, asked of the system. Their codes say
//! the result.

use crate::ast::{self, Level, Waiver};
use crate::diagnostic::{Diagnostic, Fix, Severity};
use crate::expression::{Expression, Fault, FaultKind, STEPS_MAX, Subject, World};
use crate::lower::declared_copies;
use crate::source::{FileId, Span, Spanned};

use super::{
    Context, datasets_of, expression_syntax, expression_type, expression_value, policy_broken, test_fails,
    unknown_fact, waiver_idle, waiver_over,
};

/// Things that a message names; the rest are counted.
const NAMED_MAX: usize = 5;

/// One policy and what it comes to.
pub struct Judged<'a> {
    /// Its id.
    pub id: &'a str,
    /// The expression.
    pub text: &'a Spanned<String>,
    /// What it is to break it.
    pub severity: Severity,
    /// Leave to break it.
    pub waiver: Option<&'a Spanned<Waiver>>,
    /// What it comes to.
    pub outcome: Outcome,
}

/// What an expression comes to.
pub enum Outcome {
    /// It cannot be read.
    Faulty(Vec<Fault>),
    /// It holds, or was not asked.
    Holds,
    /// It does not hold.
    Broken(Broken),
}

/// Of what an expression does not hold.
pub struct Broken {
    /// In words: whose figures are how.
    pub what: String,
    /// Where they are.
    pub places: Vec<(Span, String)>,
}

/// The facts of a topology as it was written.
fn world<'a>(context: &Context<'a>) -> World<'a> {
    World::new(context.topology, copies(context))
}

/// Copies of each datum that each store declares for its real engine.
fn copies(context: &Context<'_>) -> Vec<u32> {
    let stores = context.stores.iter().zip(&context.topology.stores);
    stores.map(|(named, model)| declared_copies(&named.value, model.kind, &model.datasets)).collect()
}

/// Reads every policy.
pub fn read(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for policy in judge(context, false) {
        if let Outcome::Faulty(faults) = policy.outcome {
            out.extend(faults.iter().map(|fault| faulty(policy.text, fault)));
        }
    }
}

/// Asks every policy. What cannot be read has been reported.
pub fn ask(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for policy in judge(context, true) {
        let waiver = policy.waiver.and_then(|w| Some((w, w.value.until?.value)));
        let over = waiver.is_some_and(|(_, until)| context.today.is_some_and(|today| until < today));
        match (&policy.outcome, waiver) {
            (Outcome::Faulty(faults), _) => {
                out.extend(
                    faults.iter().filter(|f| f.kind == FaultKind::Value).map(|fault| faulty(policy.text, fault)),
                );
            }
            (Outcome::Broken(broken), None) => out.push(policy_broken::at(&policy, broken)),
            (Outcome::Broken(broken), Some((waiver, until))) if over => {
                out.push(waiver_over::at(&policy, broken, waiver.span, until));
            }
            (Outcome::Broken(_), Some(_)) => {}
            (Outcome::Holds, Some((waiver, _))) => out.push(waiver_idle::at(policy.id, waiver.span)),
            (Outcome::Holds, None) => {}
        }
    }
}

/// Reads the assertions of tests.
pub fn read_tests(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let world = world(context);
    for test in assertions(context) {
        if let Outcome::Faulty(faults) = outcome(context, &world, test.text, test.every, false) {
            out.extend(faults.iter().map(|fault| faulty(test.text, fault)));
        }
    }
}

/// Asks the assertions of tests, each under its load.
pub fn ask_tests(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    for test in assertions(context) {
        let loaded = context.topology.under_load(test.load);
        let world = World::new(&loaded, copies(context));
        match outcome(context, &world, test.text, test.every, true) {
            Outcome::Broken(broken) => out.push(test_fails::at(test.id, test.text.span, test.load, &broken)),
            Outcome::Faulty(faults) => {
                out.extend(faults.iter().filter(|f| f.kind == FaultKind::Value).map(|fault| faulty(test.text, fault)));
            }
            Outcome::Holds => {}
        }
    }
}

/// The assertion of one test.
struct Assertion<'a> {
    id: &'a str,
    text: &'a Spanned<String>,
    every: Option<Subject>,
    load: f64,
}

fn assertions<'a>(context: &Context<'a>) -> Vec<Assertion<'a>> {
    let tests = context.spec.tests.as_ref().map_or(&[][..], |t| t.value.as_slice());
    let known = tests.iter().map(|t| &t.value).filter(|t| t.every.is_some() || !t.said.contains(&"every"));
    known
        .filter_map(|test| {
            Some(Assertion {
                id: test.id.as_ref().map_or("", |id| id.value.0.as_str()),
                text: test.check.as_ref()?,
                every: test.every.map(|e| e.value),
                load: test.load.map_or(1.0, |l| l.value.0),
            })
        })
        .collect()
}

/// A fault of an expression at its place in the spec.
pub fn faulty(text: &Spanned<String>, fault: &Fault) -> Diagnostic {
    let span = fault.span(text);
    let code = match fault.kind {
        FaultKind::Syntax => expression_syntax::EXPLANATION.code,
        FaultKind::Unknown => unknown_fact::EXPLANATION.code,
        FaultKind::Type => expression_type::EXPLANATION.code,
        FaultKind::Value => expression_value::EXPLANATION.code,
    };
    let mut diagnostic = Diagnostic::error(code, span, fault.what.clone());
    diagnostic.help = fault.help.clone();
    // Where the text was unescaped, the place of the part is not known.
    let exact = span != text.span || fault.end - fault.start == text.value.len();
    diagnostic.with_fix(fault.instead.as_ref().filter(|_| exact).map(|instead| Fix::replace(span, instead.clone())))
}

/// Every policy; only read where `ask` is false.
fn judge<'a>(context: &Context<'a>, ask: bool) -> Vec<Judged<'a>> {
    let policies = context.spec.policies.as_ref().map_or(&[][..], |p| p.value.as_slice());
    let world = world(context);
    policies.iter().filter_map(|policy| one(context, &world, &policy.value, ask)).collect()
}

fn one<'a>(context: &Context<'a>, world: &World<'a>, policy: &'a ast::Policy, ask: bool) -> Option<Judged<'a>> {
    let text = policy.check.as_ref()?;
    // A faulty `every` has been reported; what the expression is about is not known.
    if policy.every.is_none() && policy.said.contains(&"every") {
        return None;
    }
    let severity = match policy.level.as_ref().map(|l| l.value) {
        Some(Level::Warn) => Severity::Warning,
        _ => Severity::Error,
    };
    let outcome = outcome(context, world, text, policy.every.map(|e| e.value), ask);
    Some(Judged {
        id: policy.id.as_ref().map_or("", |id| id.value.0.as_str()),
        text,
        severity,
        waiver: policy.waive.as_ref(),
        outcome,
    })
}

/// Reads an expression and asks it.
pub fn outcome(
    context: &Context<'_>,
    world: &World<'_>,
    text: &Spanned<String>,
    every: Option<Subject>,
    ask: bool,
) -> Outcome {
    let expression = match Expression::read(&text.value, every) {
        Ok(expression) if ask => expression,
        Ok(_) => return Outcome::Holds,
        Err(faults) => return Outcome::Faulty(faults),
    };
    let subjects: Vec<Option<(Subject, usize)>> = match every {
        None => vec![None],
        Some(of) => (0..world.count(of)).map(|index| Some((of, index))).collect(),
    };
    let mut steps = STEPS_MAX;
    let (mut named, mut places, mut more) = (Vec::new(), Vec::new(), 0_usize);
    for of in subjects {
        match expression.holds(world, of, &mut steps) {
            Ok(true) => {}
            Err(fault) => return Outcome::Faulty(vec![fault]),
            Ok(false) if named.len() == NAMED_MAX => more += 1,
            Ok(false) => {
                let figures = expression.figures(world, of).join(", ");
                let title = of.map(|(of, index)| format!("`{}`", world.title(of, index)));
                let what = match (title, figures.is_empty()) {
                    (Some(title), true) => title,
                    (Some(title), false) => format!("{title}: {figures}"),
                    (None, _) => figures,
                };
                places.extend(of.map(|(of, index)| (place(context, world, of, index), what.clone())));
                named.push(what);
            }
        }
    }
    if named.is_empty() {
        return Outcome::Holds;
    }
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    Outcome::Broken(Broken { what: named.join("; ") + &rest, places })
}

/// Where one of many is declared.
fn place(context: &Context<'_>, world: &World<'_>, of: Subject, index: usize) -> Span {
    let found = match of {
        Subject::Service => context.services.get(index).map(|s| s.name.span),
        Subject::Store => context.stores.get(index).map(|s| s.name.span),
        Subject::Topic => world.topic_place(index).and_then(|(store, dataset)| {
            datasets_of(&context.stores.get(store)?.value).get(dataset).map(|d| d.name.span)
        }),
        Subject::Route => context.topology.gateway.as_ref().and_then(|gateway| {
            let prefix = &gateway.routes.get(index)?.prefix;
            let written = &context.spec.gateway.as_ref()?.value;
            let routes = written.routes.as_ref().map_or(&[][..], |r| r.value.as_slice());
            Some(routes.iter().find(|r| r.name.value == *prefix).map_or(written.here, |r| r.name.span))
        }),
        Subject::Zone => context.spec.zones.as_ref().and_then(|z| z.value.get(index)).map(|z| z.span),
        Subject::Capacity => world.used(index).map(|used| context.limit_place(used)),
        _ => None,
    };
    found.unwrap_or(Span::start_of(FileId(0)))
}
