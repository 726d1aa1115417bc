//! PostgreSQL: each hash partition is copied and kept up by logical replication; the shard map switches reads, then writes.

use super::steps::{Phase, Said, said};
use super::{Transfer, Wave, Work};

struct Partition<'a> {
    table: &'a str,
    remainder: u16,
    from: &'a str,
    to: &'a str,
}

impl Partition<'_> {
    fn name(&self) -> String {
        format!("{}_p{:04}", self.table, self.remainder)
    }
}

fn partitions(transfers: &[Transfer]) -> Vec<Partition<'_>> {
    let each = transfers.iter().flat_map(|t| {
        let table = t.dataset.as_deref().unwrap_or_default();
        t.units.iter().map(move |remainder| Partition { table, remainder: *remainder, from: &t.from, to: &t.to })
    });
    each.collect()
}

pub(super) fn phase(work: &Work<'_>, phase: Phase, wave: Option<&Wave>) -> Said {
    let (port, database) = (work.store.port, &work.store.namespace);
    let psql =
        |host: &str, sql: &str| format!("psql -h {host} -p {port} -d {database} -v ON_ERROR_STOP=1 -c \"{sql}\"");
    let all = partitions(wave.map(|w| w.transfers.as_slice()).unwrap_or_default());
    let each = |make: &dyn Fn(&Partition<'_>) -> Vec<String>| -> Vec<String> { all.iter().flat_map(make).collect() };
    let routed = |p: &Partition<'_>, server: &str, column: &str| {
        let sql = format!(
            "SET lock_timeout = '5s'; UPDATE archgen_shard_map SET {column} = '{server}' WHERE table_name = '{}' AND remainder = {}",
            p.table, p.remainder
        );
        vec![psql(work.entry(), &sql)]
    };
    match phase {
        Phase::Prepare => {
            let mut commands: Vec<String> = work
                .joining
                .iter()
                .map(|n| format!("pg_dump -h {} -p {port} -d {database} --schema-only | psql -h {n} -p {port} -d {database}", work.entry()))
                .collect();
            commands.push(psql(work.entry(), "ALTER TABLE archgen_shard_map ADD COLUMN IF NOT EXISTS reads_from text"));
            said("new servers get the schema; the shard map learns to split reads from writes", commands, Vec::new())
        }
        Phase::Copy => said(
            "copies each partition by logical replication",
            each(&|p| {
                let name = p.name();
                vec![
                    psql(p.from, &format!("CREATE PUBLICATION archgen_{name} FOR TABLE {name}")),
                    psql(
                        p.to,
                        &format!(
                            "CREATE SUBSCRIPTION archgen_{name} CONNECTION 'host={} port={port} dbname={database}' PUBLICATION archgen_{name}",
                            p.from
                        ),
                    ),
                ]
            }),
            each(&|p| {
                let name = p.name();
                vec![
                    psql(p.to, &format!("DROP SUBSCRIPTION IF EXISTS archgen_{name}")),
                    psql(p.to, &format!("TRUNCATE {name}")),
                    psql(p.from, &format!("DROP PUBLICATION IF EXISTS archgen_{name}")),
                ]
            }),
        ),
        Phase::CatchUp => said(
            "waits until every subscription has copied and follows",
            each(&|p| {
                let ready = format!("SELECT count(*) FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid WHERE s.subname = 'archgen_{}' AND r.srsubstate <> 'r'", p.name());
                vec![format!("until [ \"$({} -tA)\" = 0 ]; do sleep 2; done", psql(p.to, &ready))]
            }),
            Vec::new(),
        ),
        Phase::Verify => said(
            "the same count and checksum on both sides; ask again where writes came between",
            each(&|p| {
                let sum = format!("SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {} t", p.name());
                vec![format!("[ \"$({} -tA)\" = \"$({} -tA)\" ]", psql(p.from, &sum), psql(p.to, &sum))]
            }),
            Vec::new(),
        ),
        Phase::SwitchReads => said(
            "routers read from the new server",
            each(&|p| routed(p, p.to, "reads_from")),
            each(&|p| routed(p, p.from, "reads_from")),
        ),
        Phase::SwitchWrites => said(
            "the old partition refuses writes, the last ones arrive, routers write to the new server, and replication turns round",
            each(&|p| {
                let name = p.name();
                let mut commands = vec![
                    psql(p.from, &format!("SET lock_timeout = '5s'; REVOKE INSERT, UPDATE, DELETE ON {name} FROM PUBLIC")),
                    format!(
                        "until [ \"$({} -tA)\" = t ]; do sleep 0.1; done",
                        psql(p.from, &format!("SELECT coalesce(bool_and(replay_lsn >= pg_current_wal_lsn()), true) FROM pg_stat_replication WHERE application_name = 'archgen_{name}'"))
                    ),
                ];
                commands.extend(routed(p, p.to, "server"));
                commands.push(psql(p.to, &format!("ALTER SUBSCRIPTION archgen_{name} DISABLE")));
                commands.push(psql(p.to, &format!("CREATE PUBLICATION archgen_{name}_back FOR TABLE {name}")));
                commands.push(psql(p.from, &format!("CREATE SUBSCRIPTION archgen_{name}_back CONNECTION 'host={} port={port} dbname={database}' PUBLICATION archgen_{name}_back WITH (copy_data = false)", p.to)));
                commands
            }),
            each(&|p| {
                let name = p.name();
                let mut commands = routed(p, p.from, "server");
                commands.push(psql(p.from, &format!("GRANT INSERT, UPDATE, DELETE ON {name} TO PUBLIC")));
                commands
            }),
        ),
        Phase::KeepReverse => said(
            "the old partitions follow the new ones: switching the shard map back loses nothing",
            Vec::new(),
            Vec::new(),
        ),
        Phase::CleanUp => said(
            "drops subscriptions, publications and old partitions; run on every server of the store",
            work.before
                .iter()
                .flat_map(|l| &l.nodes)
                .map(|n| psql(&n.name, "SELECT format('DROP SUBSCRIPTION %I', subname) FROM pg_subscription WHERE subname LIKE 'archgen_%' \\gexec"))
                .collect(),
            Vec::new(),
        ),
    }
}
