//! The root, and its small sections: variables, zones, secrets, defaults, environments.

use super::entry::Part::{Alerts, Checks, Compose, Consul, Diagrams, Nginx, Plan, Sim, Up};
use super::entry::{Entry, key};

pub(super) static ENTRIES: &[Entry] = &[
    key("archgen", "The version of the spec language; the first key of every spec.", "v1")
        .required()
        .why("A later archgen reads an older spec by its version, so that a file means the same for ever.")
        .reaches(&[Checks]),
    key("name", "The system's name.", "chat")
        .required()
        .why("It names the Compose project and the audience of access tokens.")
        .reaches(&[Compose, Consul, Up]),
    key("vars", "Values that are written once and used in many places as `${vars.NAME}`.", "{ domain: chat.example.test }")
        .absent("no variables")
        .why("A variable may itself use `${env.NAME}` and nothing else: there is no logic in a spec.")
        .reaches(&[Checks]),
    key("vars.*", "One variable.", "90d").why("Its text is put in where it is used, before anything is checked."),
    key("zones", "The failure domains: parts that can be lost together.", "[eu-a, eu-b, eu-c]")
        .derived("one zone named `local`")
        .why("Copies of a datum never share a zone while there are zones enough; instances are spread over them in turn.")
        .reaches(&[Checks, Nginx, Consul, Compose, Plan, Sim]),
    key("secrets", "Every secret by name, as a reference to where it is kept.", "{ tls: \"file:./tls\", pg: \"env:PG_PASSWORD\" }")
        .absent("no secrets")
        .why("A secret itself never stands in a spec, an artifact, a plan or a log. Use it elsewhere as `secret:NAME`.")
        .reaches(&[Checks, Compose, Up]),
    key("secrets.*", "Where one secret is kept: in a variable of the environment, or in a file.", "env:PG_PASSWORD")
        .reaches(&[Compose, Up]),
    key("load", "The load that the system is planned for.", "{ users: 5M, online: 800k }")
        .derived("a small system: each key has its own default")
        .why("Capacity, hot keys and bucket widths follow from it; without it there is nothing true to say about them.")
        .reaches(&[Plan]),
    key("prices", "What the system's parts cost a month.", "{ currency: EUR, instance: 40, components: { chat: 310 }, disk: 0.08 }")
        .absent("the plan gives no costs")
        .reaches(&[Plan]),
    key("prices.currency", "The currency, as printed behind an amount.", "EUR").value("EUR", "the euro").reaches(&[Plan]),
    key("prices.instance", "An instance of anything that has no price of its own, a month.", "40").absent("it costs nothing").reaches(&[Plan]),
    key("prices.components", "An instance of one component, a month.", "{ chat: 310, cache: 95.5 }")
        .absent("each costs what `instance` says")
        .reaches(&[Plan]),
    key("prices.components.*", "An instance of this component, a month.", "310").reaches(&[Plan]),
    key("prices.disk", "A gigabyte (10^9 bytes) of the disk that stores declare, a month.", "0.08")
        .absent("disk costs nothing")
        .reaches(&[Plan]),
    key("objectives", "What the system promises: how much of what is tried succeeds.", "{ success: 99.9%, components: { search: 99% } }")
        .derived("99.9% for everything")
        .why("What an objective leaves over is a budget for errors, counted over 30 days. Alerts fire when it is burnt too fast: somebody is woken at 14.4 times and at 6 times the pace that would just use it up, and gets a ticket at 3 times and at once the pace, each over a long and a short window (Google, SRE workbook, chapter 5).")
        .reaches(&[Checks, Alerts, Diagrams]),
    key("objectives.success", "The share that succeeds: of the checks of each component's instances, of the gateway's exchanges with services, of the calls to each store.", "99.9%")
        .value("99.9%", "43 minutes a month: what two instances and one person on call can keep")
        .why("From 94% to 99.999%. With 100% every single failure would be an alarm; below 94% the fastest alert could never fire.")
        .reaches(&[Alerts, Diagrams]),
    key("objectives.components", "What one component promises, where that is something else.", "{ gateway: 99.95%, search: 99% }")
        .absent("each promises what `success` says")
        .reaches(&[Checks, Alerts, Diagrams]),
    key("objectives.components.*", "The share that succeeds of this component.", "99%")
        .why("A component cannot promise more than what it needs: where it does, one of the two numbers is wrong.")
        .reaches(&[Checks, Alerts, Diagrams]),
    key("defaults", "Values that many parts share.", "{ service: { replicas: 3 } }").absent("nothing is shared"),
    key("defaults.service", "What every service has unless it says otherwise.", "{ replicas: 3, stop_within: 30s }")
        .absent("each key has its own default")
        .reaches(&[Compose, Consul, Up]),
    key("defaults.service.replicas", "Instances of each service.", "3").absent("one instance").unit("instances"),
    key("defaults.service.health", "How each service is asked whether it is well.", "/healthz every 5s")
        .absent("`/healthz every 5s`"),
    key("defaults.service.stop_within", "How long each service may take to stop.", "30s").absent("`30s`"),
    key("defaults.service.restart", "How long to wait before a service that died is started again.", "backoff 200ms..30s")
        .absent("`backoff 200ms..30s`"),
    key("profiles", "Bundles of keys that services and stores take by name with `profile`.", "{ steady: { replicas: 3, stop_within: 60s } }")
        .absent("no profiles")
        .why("What a service or store says itself wins over its profile, and the profile over `defaults`. Every value remembers where it stands.")
        .reaches(&[Checks]),
    key("gateway", "The API gateway: the way in for REST requests.", "{ kind: nginx, routes: { /api: { to: user } } }")
        .absent("no gateway")
        .reaches(&[Nginx, Compose, Diagrams, Up, Sim]),
    key("realtime", "The Socket.IO layer: the way in for live traffic.", "{ kind: socketio, needs: [messaging, user] }")
        .absent("no live traffic")
        .reaches(&[Nginx, Consul, Compose, Diagrams, Up, Sim]),
    key("registry", "The service registry: who is there, and who may call whom.", "{ kind: consul, servers: 3 }")
        .absent("no registry; the gateway's members are fixed by the spec")
        .reaches(&[Consul, Nginx, Compose, Diagrams, Up]),
    key("services", "The services, by name.", "{ user: { port: 9300 } }")
        .absent("no services")
        .reaches(&[Nginx, Consul, Compose, Diagrams, Up, Sim]),
    key("stores", "The stores, by name: databases, logs, caches, indexes, buckets.", "{ cache: { kind: redis, embedded: true } }")
        .absent("no stores")
        .reaches(&[Compose, Diagrams, Plan, Up, Sim]),
    key("sim", "How the simulator attacks the system, and which promises it checks.", "{ duration: 60s }")
        .absent("a short simulation without faults")
        .reaches(&[Sim]),
    key("policies", "Rules of your own that the system must keep.", "[{ id: spread, every: store, check: store.replicas >= 2 }]")
        .absent("no rules beyond archgen's own")
        .reaches(&[Checks]),
    key("tests", "Tests of the system itself: assertions on its figures, and scenarios with the outcomes that are expected.", "[{ id: room, load: 2x, every: capacity, check: capacity.used <= 0.9 }]")
        .absent("no tests")
        .why("`archgen check` asks the assertions; `archgen sim --tests` plays the scenarios.")
        .reaches(&[Checks, Sim]),
    key("drift", "What may differ from what the spec says: `archgen drift` does not report it.", "{ ignore: [nginx/nginx.conf] }")
        .absent("every difference is reported"),
    key("drift.ignore", "What is left out of the comparison: a file, an instance, a store, a fact, or how its name begins.", "[nginx/, registry/search-3, stores.users]")
        .absent("nothing is left out")
        .why("Names are those that `archgen drift` prints. What is left out on purpose belongs to the spec, where the next person sees it."),
    key("environments", "Overlays by environment: what differs in development, in production, in a simulation.", "{ dev: env/dev.yaml }")
        .absent("no environments")
        .why("The base describes the real system; `--env NAME` merges one overlay into it.")
        .reaches(&[Checks, Up, Sim]),
    key("environments.*", "The overlay's file, in the spec's folder or below it.", "env/dev.yaml")
        .why("Mappings merge key by key, lists whose items have an `id` merge by it, all else replaces; `!unset`, `!replace` and `!add` say what is meant."),
];
