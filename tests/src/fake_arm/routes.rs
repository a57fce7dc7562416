//! What is asked, and what is answered.

use super::documents::{self, cluster_path, flat, refusal};
use super::order::{Order, Said};
use super::{Asked, Azure, Operation};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::header::{AUTHORIZATION, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, Method, Uri};
use kaito_core::backend::ErrorKind;
use kaito_core::memory::CloudFate;
use kaito_core::memory::azure::{self, AzureRefusal, Told};
use kaito_core::{Kind, ObjectKey};
use serde_json::{Value, json};
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Instant;

/// Everything is one address space.
pub(super) fn routes(azure: Arc<Azure>) -> Router {
    Router::new().fallback(answer).with_state(azure)
}

async fn answer(
    State(azure): State<Arc<Azure>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let order = {
        let mut inner = azure.inner();
        let conditions = [text(IF_MATCH), text(IF_NONE_MATCH)];
        inner.asked.push(Asked { method: method.clone(), uri: uri.to_string(), conditions, at: Instant::now() });
        let ordered = inner.orders.iter().position(|(of, _)| *of == method);
        match ordered {
            Some(at) => Some(inner.orders.remove(at).1),
            None => inner.dice.as_mut().and_then(super::order::Dice::roll),
        }
    };
    let carry_out = || azure.answer(&method, &uri, &headers, &body);
    let said = match order {
        None => carry_out(),
        Some(Order::Instead(said)) => said,
        Some(Order::Unheard(said)) => {
            carry_out();
            said
        }
        Some(Order::With(name, value)) => carry_out().with(name, value),
        Some(Order::Half(most)) => {
            let mut said = carry_out();
            said.body = said.body.chars().take(most).collect();
            said
        }
        Some(Order::Slow(wait)) => {
            let said = carry_out();
            tokio::time::sleep(wait).await;
            said
        }
    };
    said.into_response()
}

/// The answer to "create only" where there is such a pool.
fn there_is_one() -> Said {
    flat(412, "PreconditionFailed", "The agent pool exists, and If-None-Match was '*'.")
}

impl Azure {
    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Said {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        if text(AUTHORIZATION) != Some(&format!("Bearer {}", self.inner().token)) {
            return refusal(401, "InvalidAuthenticationToken", "The access token is invalid.");
        }
        let query = uri.query().unwrap_or_default();
        if !query.contains("api-version=") {
            return refusal(400, "MissingApiVersionParameter", "The api-version query parameter is required.");
        }
        if let Some(id) = uri.path().strip_prefix("/operations/") {
            return self.operation(id);
        }
        if let Some(said) = self.refuses("").filter(|_| self.refuses_all()) {
            return said;
        }
        let pools = format!("{}/agentPools", cluster_path());
        let Some(below) = uri.path().strip_prefix(&pools) else {
            return match uri.path().starts_with(cluster_path().split("/providers").next().unwrap_or_default()) {
                true => refusal(
                    404,
                    "ResourceNotFound",
                    "The Resource 'Microsoft.ContainerService/managedClusters/x' under resource group 'rg' was not found.",
                ),
                false => refusal(404, "ResourceGroupNotFound", "Resource group 'x' could not be found."),
            };
        };
        match (method, below.strip_prefix('/')) {
            (&Method::GET, None) => self.list(query),
            (&Method::GET, Some(name)) => self.get(name),
            (&Method::PUT, Some(name)) => self.put(name, text(IF_NONE_MATCH) == Some("*"), body),
            (&Method::DELETE, Some(name)) => self.delete(name, text(IF_MATCH)),
            _ => refusal(405, "MethodNotAllowed", "The method is not allowed."),
        }
    }

    fn list(&self, query: &str) -> Said {
        let page = self.inner().page;
        let from: usize =
            query.split('&').find_map(|part| part.strip_prefix("skiptoken=")?.parse().ok()).unwrap_or_default();
        let keys = self.keys();
        let shown = keys.iter().skip(from).take(page);
        let value: Vec<Value> =
            shown.filter_map(|key| Some(documents::pool(&key.name, &self.pool(&key.name)?))).collect();
        let mut document = json!({"value": value});
        if keys.len() > from + page {
            let path = format!("{}{}/agentPools", self.base, cluster_path());
            document["nextLink"] = json!(format!("{path}?api-version=2026-03-01&skiptoken={}", from + page));
        }
        Said::new(200, document.to_string())
    }

    fn get(&self, name: &str) -> Said {
        match self.pool(name) {
            Some(pool) => Said::new(200, documents::pool(name, &pool).to_string()),
            None => documents::no_pool(name),
        }
    }

    fn put(&self, name: &str, is_new: bool, body: &[u8]) -> Said {
        let asked = match documents::asked(name, body) {
            Ok(asked) => asked,
            Err(said) => return said,
        };
        if !is_new {
            // No provisioner changes a pool, and one that forgets to say so makes two of one.
            return flat(400, "InvalidParameter", "Here a pool is made and never changed: If-None-Match must be '*'.");
        }
        let _turn = self.turn();
        if self.pool(name).is_some() {
            return there_is_one();
        }
        let size = asked.pointer("/spec/size").and_then(Value::as_str).unwrap_or_default();
        if let Some(said) = self.refuses(size).or_else(|| self.is_busy()) {
            return said;
        }
        let key = ObjectKey::cluster(Kind::AgentPool, name);
        self.cluster.set_now(self.now());
        match self.cluster.with_store(|store| store.create(&key, &asked)) {
            Ok(_) => {
                let pool = self.pool(name).unwrap_or_default();
                self.begun(name, false, Said::new(201, documents::pool(name, &pool).to_string()))
            }
            // Somebody else was faster.
            Err(error) if error.kind == ErrorKind::AlreadyExists => there_is_one(),
            Err(error) => flat(400, "InvalidParameter", &error.message),
        }
    }

    fn delete(&self, name: &str, if_match: Option<&str>) -> Said {
        let _turn = self.turn();
        let Some(pool) = self.pool(name) else { return Said::new(204, "") };
        if if_match.is_some_and(|etag| etag != documents::etag(&pool)) {
            return flat(412, "EtagMismatch", "The ETag does not match.");
        }
        let is_going = pool.pointer("/status/state") == Some(&json!("Deleting"));
        let busy = self.refuses("").filter(|said| matches!(said.status, 409 | 429));
        if let Some(said) = busy.or_else(|| self.is_busy().filter(|_| !is_going)) {
            return said;
        }
        self.cluster.set_now(self.now());
        let key = ObjectKey::cluster(Kind::AgentPool, name);
        let _ = self.cluster.with_store(|store| store.delete(&key, None));
        self.begun(name, true, Said::new(202, ""))
    }

    /// What is said at once, where the fate of the cloud is to refuse; to a deletion what is said of every size.
    fn refuses(&self, size: &str) -> Option<Said> {
        let inner = self.inner();
        let refusal = azure::refuses(&inner.fate, size)?;
        let (Told::At(status) | Told::Always(status)) = refusal.told else { return None };
        let said = flat(status, refusal.code, refusal.message);
        Some(refusal.retry_after_s.map_or(said.clone(), |seconds| said.with("retry-after", seconds.to_string())))
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is said while something is done to a pool, where one thing is done at a time: words of <https://aka.ms/aks-pending-operation>.
    fn is_busy(&self) -> Option<Said> {
        if !self.inner().is_serial {
            return None;
        }
        let (name, state) = self.keys().into_iter().find_map(|key| {
            let state = self.pool(&key.name)?.pointer("/status/state")?.as_str()?.to_owned();
            ["Creating", "Deleting"].contains(&state.as_str()).then_some((key.name, state))
        })?;
        let words = format!(
            "Operation is not allowed: Another agentpool operation ({name} - {state}) is in progress, please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details"
        );
        Some(flat(409, "OperationNotAllowed", &words))
    }

    fn refuses_all(&self) -> bool {
        matches!(self.inner().fate, CloudFate::Azure { refusal: AzureRefusal { told: Told::Always(_), .. }, .. })
    }

    /// An answer with the address of its operation.
    fn begun(&self, name: &str, is_deletion: bool, said: Said) -> Said {
        let mut inner = self.inner();
        let id = format!("{:08}", inner.operations.len());
        inner.operations.insert(id.clone(), Operation { pool: name.to_owned(), is_deletion });
        let address = format!("{}/operations/{id}?api-version=2017-08-31&t=s1gned", self.base);
        said.with("azure-asyncoperation", address).with("retry-after", "0")
    }

    fn operation(&self, id: &str) -> Said {
        let found = self.inner().operations.get(id).cloned();
        let Some(Operation { pool, is_deletion }) = found else {
            return refusal(404, "NotFound", "The entity was not found.");
        };
        let document = documents::operation(id, is_deletion, self.pool(&pool).as_ref());
        Said::new(200, document.to_string()).with("retry-after", "0")
    }
}
