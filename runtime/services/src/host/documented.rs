//! [`Documented`]: a router that knows what its routes are for. The OpenAPI document is made from it, so a route that is served is
//! described, and nothing else is.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, on},
};
use http::Method;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// What a route is for.
#[derive(Debug, Clone)]
pub struct Route {
    method: Method,
    path: &'static str,
    says: &'static str,
    status: u16,
    query: Option<Value>,
    body: Option<Value>,
}

impl Route {
    /// A route that answers 200.
    pub fn new(method: Method, path: &'static str, says: &'static str) -> Self {
        Self { method, path, says, status: 200, query: None, body: None }
    }

    /// Answers with this status where it succeeds.
    pub fn answers(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// Takes these parameters in the query string.
    pub fn query<T: JsonSchema>(self) -> Self {
        Self { query: Some(schema::<T>()), ..self }
    }

    /// Takes this JSON body.
    pub fn body<T: JsonSchema>(self) -> Self {
        Self { body: Some(schema::<T>()), ..self }
    }
}

/// The schema of a type, whole, without references.
fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| {
        s.inline_subschemas = true;
        s.meta_schema = None;
    });
    SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value()
}

/// A router with a description of each of its routes.
pub struct Documented<S> {
    router: Router<S>,
    routes: Vec<Route>,
}

impl<S: Clone + Send + Sync + 'static> Default for Documented<S> {
    fn default() -> Self {
        Self { router: Router::new(), routes: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Documented<S> {
    /// Adds a route.
    #[must_use]
    pub fn route<H, T>(mut self, route: Route, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let filter = match route.method {
            Method::POST => MethodFilter::POST,
            Method::PUT => MethodFilter::PUT,
            Method::PATCH => MethodFilter::PATCH,
            Method::DELETE => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        self.router = self.router.route(route.path, on(filter, handler));
        self.routes.push(route);
        self
    }

    /// The router and its OpenAPI document.
    pub fn finish(self, title: &str) -> (Router<S>, Value) {
        let mut paths: Map<String, Value> = Map::new();
        for route in &self.routes {
            let at = paths.entry(route.path).or_insert_with(|| json!({}));
            at[route.method.as_str().to_ascii_lowercase()] = operation(route);
        }
        let document = json!({
            "openapi": "3.1.0",
            "info": {"title": title, "version": env!("CARGO_PKG_VERSION")},
            "security": [{"bearer": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
                "responses": {"problem": {
                    "description": "why not (RFC 9457)",
                    "content": {"application/problem+json": {"schema": {
                        "type": "object",
                        "required": ["status", "code", "title"],
                        "properties": {
                            "status": {"type": "integer"}, "code": {"type": "string"}, "title": {"type": "string"},
                        },
                    }}},
                }},
            },
        });
        (self.router, document)
    }
}

fn operation(route: &Route) -> Value {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = in_path
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}}))
        .collect();
    if let Some(query) = &route.query {
        let required = query["required"].as_array().cloned().unwrap_or_default();
        for (name, schema) in query["properties"].as_object().into_iter().flatten() {
            let needed = required.contains(&json!(name));
            parameters.push(json!({"name": name, "in": "query", "required": needed, "schema": schema}));
        }
    }
    let mut answer = json!({"description": "done"});
    if route.status != 204 {
        answer["content"] = json!({"application/json": {"schema": {}}});
    }
    let mut operation = json!({
        "summary": route.says,
        "responses": {route.status.to_string(): answer, "default": {"$ref": "#/components/responses/problem"}},
    });
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(body) = &route.body {
        operation["requestBody"] = json!({"required": true, "content": {"application/json": {"schema": body}}});
    }
    operation
}
