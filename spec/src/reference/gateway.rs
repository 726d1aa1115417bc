//! `gateway`, `realtime`, `registry`.

use super::entry::Part::{Cassandra, Checks, Compose, Consul, Diagrams, Nginx, Sim, Up};
use super::entry::{Entry, key};

pub(super) static ENTRIES: &[Entry] = &[
    key("gateway.kind", "The program that serves as gateway.", "nginx").required().reaches(&[Nginx, Compose]),
    key("gateway.version", "The version of nginx that will read the configuration.", "\"1.22\"")
        .value("1.22", "the version of Debian 12, and a warning")
        .why("It decides which directives may be written, and the image in the Compose file.")
        .reaches(&[Checks, Nginx, Compose]),
    key("gateway.embedded", "Whether archgen's own gateway stands in for nginx.", "true")
        .value("false", "the real nginx")
        .why("The embedded gateway needs no server, speaks no TLS, and is the one that can be simulated.")
        .reaches(&[Compose, Up]),
    key("gateway.managed", "Whether nginx belongs to the fleet on this machine: `archgen up` starts it with the generated files.", "true")
        .absent("somebody else runs it")
        .why("The program is the one on the PATH. Its files name the addresses that the hosts really have; clients of the realtime layer still go to its hosts directly.")
        .reaches(&[Up]),
    key("gateway.host", "The name under which clients reach the system.", "chat.example.test")
        .value("localhost", "no public name is given")
        .reaches(&[Nginx]),
    key("gateway.port", "The port for clients.", "443")
        .derived("443 with `tls`, else 80")
        .reaches(&[Checks, Nginx, Compose, Up]),
    key("gateway.tls", "The certificate and its key, as a reference to a secret.", "secret:tls")
        .absent("plain HTTP")
        .reaches(&[Nginx, Compose]),
    key("gateway.replicas", "Gateways.", "2")
        .value("1", "one gateway")
        .unit("instances")
        .reaches(&[Consul, Compose, Diagrams, Up]),
    key("gateway.limits", "What one client may ask of the whole gateway.", "{ per_ip: 20/s burst 40 }")
        .absent("no limits")
        .why("A limit answers 429 before a service is reached.")
        .reaches(&[Nginx, Up]),
    key("gateway.limits.per_ip", "Requests of one client address.", "20/s burst 40")
        .absent("no limit")
        .why("People behind one address share it: many in an office do.")
        .reaches(&[Nginx, Up]),
    key("gateway.limits.per_token", "Requests of one access token.", "50/s burst 100")
        .absent("no limit")
        .reaches(&[Nginx, Up]),
    key("gateway.limits.connections_per_ip", "Open connections of one client address.", "50")
        .absent("no limit")
        .unit("connections")
        .reaches(&[Nginx]),
    key("gateway.auth", "Who checks credentials before a request reaches a service.", "{ by: user, cache: 10s }")
        .absent("the gateway checks none")
        .reaches(&[Nginx, Up, Sim]),
    key("gateway.auth.by", "The service that issues and checks access tokens.", "user")
        .required()
        .reaches(&[Nginx, Diagrams, Up]),
    key("gateway.auth.cache", "How long a yes is remembered.", "10s")
        .value("10s", "a revoked token lives at most so long")
        .why("Longer spares the issuer; it is also how long a revoked token still opens the door. With `0s` the issuer is asked each time.")
        .reaches(&[Nginx]),
    key("gateway.auth.cache_denied", "How long a no is remembered.", "2s")
        .value("2s", "a new token works soon")
        .reaches(&[Nginx]),
    key(
        "gateway.cors",
        "Which pages of other origins may use the API; the gateway answers their browsers' questions itself.",
        "{ origins: [https://app.example.org] }",
    )
    .absent("only pages that the gateway itself serves")
    .why("Browsers ask before they let a page of one origin read from another. Programs that are no browsers do not ask, so that this is no protection of the API. The realtime layer admits the same origins.")
    .reaches(&[Checks, Nginx, Up, Sim]),
    key("gateway.cors.origins", "Origins of the pages that may, or `\"*\"` for all of the web.", "[https://app.example.org]")
        .required()
        .why("Only a listed origin is named in an answer; others get an answer without permission, which the browser withholds.")
        .reaches(&[Checks, Nginx, Up, Sim]),
    key("gateway.cors.methods", "Methods that those pages may use.", "[GET, POST]")
        .value("[GET, HEAD, POST, PUT, PATCH, DELETE]", "what a JSON API uses")
        .reaches(&[Nginx, Up]),
    key("gateway.cors.headers", "Headers that those pages may send.", "[Authorization, Content-Type, Idempotency-Key]")
        .value("[Authorization, Content-Type]", "a token and JSON")
        .reaches(&[Nginx, Up]),
    key("gateway.cors.credentials", "Whether the browser may send its cookies for this host.", "true")
        .value("false", "access tokens travel in a header, not in a cookie")
        .reaches(&[Checks, Nginx, Up]),
    key("gateway.cors.max_age", "How long a browser may remember the permission before it asks again.", "1h")
        .value("10m", "few further questions")
        .why("Browsers have an upper bound of their own: two hours in Chromium, a day in Firefox.")
        .reaches(&[Nginx, Up]),
    key("gateway.exporter", "The port of an exporter beside each nginx, which tells Prometheus its counters.", "9113")
        .absent("no exporter: nginx's counters are on its own machine only")
        .why("nginx speaks no Prometheus itself. Compose and Kubernetes start nginx-prometheus-exporter beside it; elsewhere start it by hand. Without use for archgen's own gateway, which exports its metrics itself.")
        .reaches(&[Nginx, Compose]),
    key("gateway.discovery", "Where the gateway looks up the members of a service.", "consul")
        .derived("`consul` where a registry is declared, else `static`")
        .reaches(&[Checks]),
    key(
        "gateway.routes",
        "Path prefixes and the services that answer them; the longest prefix wins.",
        "{ /api/v1/users: { to: user } }",
    )
    .required()
    .reaches(&[Checks, Nginx, Diagrams, Up, Sim]),
    key("gateway.routes.*", "One route.", "{ to: user, timeout: 10s }").reaches(&[Nginx, Up]),
    key("gateway.routes.*.to", "The service that answers.", "user").required().reaches(&[Checks, Nginx, Diagrams, Up]),
    key("gateway.routes.*.auth", "Whether a valid access token is needed.", "none")
        .derived("`required` where the gateway has `auth`, else `none`")
        .reaches(&[Checks, Nginx, Up]),
    key("gateway.routes.*.balance", "How requests are spread over the service's instances.", "least_conn")
        .value("round_robin", "each instance in turn")
        .reaches(&[Nginx, Up]),
    key("gateway.routes.*.micro_cache", "How long an answer may be served again, per credential.", "1s")
        .absent("nothing is cached")
        .why("A second of cache takes most of the load off a route that everybody reads at once.")
        .reaches(&[Nginx, Up]),
    key("gateway.routes.*.max_body", "The largest request body.", "100MiB")
        .value("1MiB", "enough for JSON")
        .reaches(&[Nginx, Up]),
    key("gateway.routes.*.timeout", "How long the gateway waits for the service.", "60s")
        .value("10s", "longer than any service may take")
        .reaches(&[Nginx, Up]),
    key("gateway.routes.*.retries", "How many other instances are tried when one cannot be reached, for requests that may be repeated.", "0")
        .value("1", "one other instance is tried")
        .unit("further tries")
        .why("The embedded gateway tries so often within a budget of its own: a fifth of all requests. Tries multiply with those of the services.")
        .reaches(&[Checks, Nginx, Up]),
    key("gateway.routes.*.limit", "A limit of this route, beside those of the gateway.", "5/s burst 10")
        .absent("only the gateway's limits")
        .reaches(&[Nginx, Up]),
    key("realtime.kind", "The protocol.", "socketio").required(),
    key("realtime.bypass", "What clients connect around: they reach the realtime layer directly.", "gateway")
        .absent("the same: clients always connect directly"),
    key("realtime.port", "The port for clients.", "3000")
        .value("3000", "usual for Socket.IO")
        .reaches(&[Checks, Nginx, Consul, Compose, Up]),
    key("realtime.replicas", "Instances.", "4")
        .value("1", "one instance")
        .unit("instances")
        .reaches(&[Nginx, Consul, Compose, Diagrams, Up]),
    key("realtime.sticky", "How the requests of one session reach the instance that holds it.", "node-in-sid")
        .absent("the same: it is the only way")
        .why("The session id starts with the instance's name, because addresses change and many people share one."),
    key("realtime.auth", "How a client proves who it is.", "oauth2")
        .absent("the same: an access token is always needed"),
    key("realtime.needs", "What the layer calls.", "[messaging, user, cache]")
        .absent("nothing")
        .why("Start order, intentions and diagrams follow from it.")
        .reaches(&[Checks, Consul, Compose, Diagrams, Up]),
    key("realtime.connections_per_replica", "Sockets that one instance holds.", "250k")
        .value("10k", "fits one small machine")
        .unit("sockets")
        .reaches(&[Up]),
    key("realtime.ping_interval", "How often the server asks whether a client is still there.", "25s")
        .value("25s", "the default of Socket.IO")
        .reaches(&[Nginx, Up, Sim]),
    key("realtime.ping_timeout", "How long the server waits for that answer.", "20s")
        .value("20s", "the default of Socket.IO")
        .why("A connection that died in silence is noticed after the interval and the timeout together.")
        .reaches(&[Nginx, Up, Sim]),
    key("registry.kind", "The program that serves as registry.", "consul").required().reaches(&[Compose]),
    key("registry.datacenter", "Consul's name for this place.", "eu")
        .value("dc1", "the default of Consul")
        .why("A Cassandra store without `replication` replicates to a datacenter of this name.")
        .reaches(&[Cassandra, Compose, Up]),
    key("registry.servers", "Registry servers.", "3")
        .value("1", "one server")
        .unit("servers")
        .why("An odd number: three bear the loss of one, five the loss of two.")
        .reaches(&[Compose, Diagrams, Up]),
    key("registry.acl", "What happens to a call that no `needs` speaks of.", "default-deny")
        .value("default-deny", "access follows from `needs`")
        .reaches(&[Consul, Up]),
    key("registry.embedded", "Whether archgen's own registry stands in for Consul.", "true")
        .value("false", "the real Consul")
        .reaches(&[Compose, Up]),
    key("registry.endpoint", "The address of a Consul that is already there: the agent on this machine, or several to turn to.", "127.0.0.1:8500")
        .absent("archgen's deployment runs it")
        .why("A registration belongs to the agent that took it: the others are asked only when that one does not answer.")
        .reaches(&[Checks, Up]),
    key("registry.managed", "Whether Consul belongs to the fleet on this machine: `archgen up` starts one server with the generated files.", "true")
        .absent("somebody else runs it")
        .why("The program is the one on the PATH; it listens on loopback alone.")
        .reaches(&[Checks, Up]),
    key("registry.token", "The access token with which hosts speak to a real Consul, as a reference to a secret.", "secret:consul")
        .absent("none, as where access control is off")
        .why("A Consul that `archgen up` starts takes it as the token that may everything.")
        .reaches(&[Up]),
    key("registry.port", "The port of the HTTP API.", "8500")
        .value("8500", "the default of Consul")
        .reaches(&[Checks, Up]),
];
