//! The table of all codes, and the order in which the checks of meaning run.

use super::*;
use crate::diagnostic::{Code, Diagnostic, Severity};

/// Every code, ascending.
static ALL: &[&Explanation] = &[
    &syntax::EXPLANATION,
    &duplicate_key::EXPLANATION,
    &too_large::EXPLANATION,
    &too_deep::EXPLANATION,
    &anchor::EXPLANATION,
    &multiple_documents::EXPLANATION,
    &foreign_tag::EXPLANATION,
    &unknown_key::EXPLANATION,
    &wrong_type::EXPLANATION,
    &bad_unit::EXPLANATION,
    &missing_key::EXPLANATION,
    &out_of_range::EXPLANATION,
    &bad_name::EXPLANATION,
    &bad_choice::EXPLANATION,
    &yaml_boolean::EXPLANATION,
    &language_version::EXPLANATION,
    &foreign_key::EXPLANATION,
    &unknown_environment::EXPLANATION,
    &unreadable_overlay::EXPLANATION,
    &overlay_names_nothing::EXPLANATION,
    &unknown_variable::EXPLANATION,
    &unset_environment::EXPLANATION,
    &profile_cycle::EXPLANATION,
    &profile_unused::EXPLANATION,
    &dangling::EXPLANATION,
    &wrong_kind::EXPLANATION,
    &cycle::EXPLANATION,
    &duplicate_component::EXPLANATION,
    &unknown_column::EXPLANATION,
    &route_without_service::EXPLANATION,
    &unreachable::EXPLANATION,
    &fan_in::EXPLANATION,
    &said_twice::EXPLANATION,
    &never_published::EXPLANATION,
    &port_twice::EXPLANATION,
    &copies_above_zones::EXPLANATION,
    &copies_above_nodes::EXPLANATION,
    &insync_above_replicas::EXPLANATION,
    &shard_key_not_in_key::EXPLANATION,
    &one_zone::EXPLANATION,
    &zone_breaks_quorum::EXPLANATION,
    &quorum_of_all::EXPLANATION,
    &even_servers::EXPLANATION,
    &empty_zone::EXPLANATION,
    &secret_literal::EXPLANATION,
    &auth_off::EXPLANATION,
    &unpinned_version::EXPLANATION,
    &plain_http::EXPLANATION,
    &default_allow::EXPLANATION,
    &no_limits::EXPLANATION,
    &open_route_unlimited::EXPLANATION,
    &stale_credentials::EXPLANATION,
    &bad_weight::EXPLANATION,
    &cors_wildcard::EXPLANATION,
    &policy_broken::EXPLANATION,
    &expression_syntax::EXPLANATION,
    &unknown_fact::EXPLANATION,
    &expression_type::EXPLANATION,
    &expression_value::EXPLANATION,
    &waiver_over::EXPLANATION,
    &waiver_idle::EXPLANATION,
    &test_fails::EXPLANATION,
    &test_halves::EXPLANATION,
    &shadowed_route::EXPLANATION,
    &timeouts_not_nested::EXPLANATION,
    &retries_multiply::EXPLANATION,
    &nginx_too_old::EXPLANATION,
    &limit_above_limit::EXPLANATION,
    &unused_store::EXPLANATION,
    &stale_reads::EXPLANATION,
    &monotonic_key::EXPLANATION,
    &low_cardinality_key::EXPLANATION,
    &weak_acks::EXPLANATION,
    &unbounded_retention::EXPLANATION,
    &partition_outgrows::EXPLANATION,
    &index_unused::EXPLANATION,
    &query_unserved::EXPLANATION,
    &redundant_index::EXPLANATION,
    &store_cannot_run::EXPLANATION,
    &bad_endpoint::EXPLANATION,
    &embedded_with_endpoint::EXPLANATION,
    &cannot_be_managed::EXPLANATION,
    &over_capacity::EXPLANATION,
    &zone_over_capacity::EXPLANATION,
    &contradictory_load::EXPLANATION,
    &load_key_unknown::EXPLANATION,
    &idle_consumers::EXPLANATION,
    &keys_below_partitions::EXPLANATION,
    &promise_above_needs::EXPLANATION,
    &invariant_without_service::EXPLANATION,
    &fault_outlasts_run::EXPLANATION,
    &settle_too_short::EXPLANATION,
    &fault_on_itself::EXPLANATION,
    &cut_between_strangers::EXPLANATION,
    &fault_never_happens::EXPLANATION,
];

/// Every explanation, by ascending code.
pub fn codes() -> &'static [&'static Explanation] {
    ALL
}

/// What a code means; `None` where it is not one of ours.
pub fn explain(code: Code) -> Option<&'static Explanation> {
    ALL.iter().find(|e| e.code == code).copied()
}

type Check = fn(&Context<'_>, &mut Vec<Diagnostic>);

/// Checks that hold for whatever could be read.
const ALWAYS: &[Check] = &[
    bad_name::check,
    duplicate_component::check,
    cycle::check,
    unknown_column::check,
    route_without_service::check,
    out_of_range::check,
    port_twice::check,
    copies_above_zones::check,
    copies_above_nodes::check,
    bad_weight::check,
    insync_above_replicas::check,
    shard_key_not_in_key::check,
    auth_off::check,
    cors_wildcard::check,
    unpinned_version::check,
    rules::read,
    rules::read_tests,
    test_halves::check,
    store_cannot_run::check,
    embedded_with_endpoint::check,
    cannot_be_managed::check,
];

/// Checks that judge what is absent, or figures made of many values: where a name or a value could not be read, they
/// would report its consequences a second time.
const WHOLE: &[Check] = &[
    profile_unused::check,
    rules::ask,
    rules::ask_tests,
    unreachable::check,
    fan_in::check,
    said_twice::check,
    never_published::check,
    one_zone::check,
    zone_breaks_quorum::check,
    quorum_of_all::check,
    even_servers::check,
    empty_zone::check,
    plain_http::check,
    default_allow::check,
    no_limits::check,
    open_route_unlimited::check,
    stale_credentials::check,
    shadowed_route::check,
    timeouts_not_nested::check,
    retries_multiply::check,
    nginx_too_old::check,
    limit_above_limit::check,
    unused_store::check,
    stale_reads::check,
    monotonic_key::check,
    low_cardinality_key::check,
    weak_acks::check,
    unbounded_retention::check,
    partition_outgrows::check,
    index_unused::check,
    query_unserved::check,
    redundant_index::check,
    over_capacity::check,
    zone_over_capacity::check,
    contradictory_load::check,
    load_key_unknown::check,
    idle_consumers::check,
    keys_below_partitions::check,
    promise_above_needs::check,
    invariant_without_service::check,
    fault_outlasts_run::check,
    settle_too_short::check,
    fault_on_itself::check,
    cut_between_strangers::check,
    fault_never_happens::check,
];

/// Runs every check of meaning.
pub(crate) fn check(context: &Context<'_>, out: &mut Vec<Diagnostic>) {
    let readable = out.iter().all(|d| d.severity != Severity::Error);
    for check in ALWAYS.iter().chain(WHOLE.iter().filter(|_| readable)) {
        check(context, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_explain_themselves() {
        assert!(ALL.windows(2).all(|pair| pair[0].code < pair[1].code));
        for explanation in ALL {
            assert_eq!(explain(explanation.code).map(|e| e.title), Some(explanation.title));
            let text = explanation.to_string();
            assert!(text.contains(explanation.why) && text.contains("before:") && text.contains("after:"));
        }
        assert!(explain(Code(999)).is_none());
    }
}
