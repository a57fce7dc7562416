//! The NodeClasses that an operator is told to keep: that Karpenter is there, that each class is as it was told, and whether Karpenter can use it.
//!
//! None of this keeps an operator from serving: a pool whose class is not ready says so itself. A cluster without Karpenter ends it, because nothing that it was
//! started for can be done there; and so does a class that the API server calls invalid, because it stays so until somebody corrects the flag.

use super::requests::{Body, Missing, Requests, with_query};
use http::Method;
use kaito_api::vocabulary::labels;
use kaito_core::backend::{BackendError, ErrorKind};
use kaito_core::node_classes::{ClassKind, ClassWish};
use kaito_core::words::quoted;
use serde_json::Value;
use std::time::Duration;

/// How often a class is looked at until it is ready.
const EVERY: Duration = Duration::from_secs(5);
/// How long Karpenter may take to look at a class before somebody is told.
const PATIENCE: Duration = Duration::from_secs(120);
/// What requests are counted under.
const LABEL: &str = "NodeClass";

/// Keeps NodeClasses as they are wished for.
#[derive(Clone)]
pub struct ClassKeeper {
    requests: Requests,
    kind: ClassKind,
    wishes: Vec<ClassWish>,
    manager: String,
}

/// How it stands with one class.
enum Standing {
    Ready,
    /// Why it is not, in words.
    NotReady(String),
}

impl ClassKeeper {
    /// One that keeps these.
    pub fn new(requests: Requests, kind: ClassKind, wishes: Vec<ClassWish>) -> Self {
        Self { requests, kind, wishes, manager: "kaito-workspace".to_owned() }
    }

    /// Makes the classes be as they are wished for, then waits until they are ready and tells those that are not after two minutes. Fails when Karpenter is not installed or a class
    /// is invalid; what else goes wrong is told and tried again.
    pub async fn keep(&self) -> Result<(), String> {
        self.patiently("Karpenter's kinds are looked for", || self.find_kinds()).await?;
        for wish in &self.wishes {
            let what = format!("{} {} is written", self.kind.kind, wish.name);
            self.patiently(&what, || async { self.write(wish).await.map_err(Trouble::of) }).await?;
        }
        let begin = tokio::time::Instant::now();
        let mut told = false;
        loop {
            let mut waiting = Vec::new();
            for wish in &self.wishes {
                match self.look(wish).await {
                    Ok(Standing::Ready) => {}
                    Ok(Standing::NotReady(why)) => waiting.push(format!("{}: {why}", wish.name)),
                    Err(error) => waiting.push(format!("{}: {}", wish.name, quoted(&error.message))),
                }
            }
            if waiting.is_empty() {
                tracing::info!("every {} is ready", self.kind.kind);
                return Ok(());
            }
            if !told && begin.elapsed() >= PATIENCE {
                told = true;
                let so_long = PATIENCE.as_secs();
                tracing::warn!(
                    "not ready after {so_long} s: {} {}; machines of it are waited for until it is",
                    self.kind.kind,
                    waiting.join("; ")
                );
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Tries until it works, telling once why it does not; ends only with what no waiting mends.
    async fn patiently<F: Future<Output = Result<(), Trouble>>>(
        &self,
        what: &str,
        attempt: impl Fn() -> F,
    ) -> Result<(), String> {
        let mut told = None;
        loop {
            let error = match attempt().await {
                Ok(()) => return Ok(()),
                Err(Trouble::Fatal(why)) => return Err(why),
                Err(Trouble::Passing(error)) => error,
            };
            if told.as_ref() != Some(&error.message) {
                tracing::warn!("{what}: {}; tried again every {} s", error.message, EVERY.as_secs());
            }
            told = Some(error.message);
            tokio::time::sleep(error.retry_after.unwrap_or(EVERY).max(EVERY)).await;
        }
    }

    async fn find_kinds(&self) -> Result<(), Trouble> {
        let kind = &self.kind;
        let wanted = [
            ("karpenter.sh", "v1", "nodepools"),
            ("karpenter.sh", "v1", "nodeclaims"),
            (&kind.group, &kind.version, &kind.plural),
        ];
        for (group, version, plural) in wanted {
            let served = match self.requests.foreign(LABEL, Method::GET, format!("/apis/{group}/{version}"), None).await
            {
                Ok(list) => list["resources"].as_array().into_iter().flatten().any(|kind| kind["name"] == plural),
                Err(Missing::Kind) => false,
                Err(Missing::Answer(error)) if error.kind == ErrorKind::NotFound => false,
                Err(Missing::Answer(error)) => return Err(Trouble::Passing(error)),
            };
            if !served {
                return Err(Trouble::Fatal(format!(
                    "--node-provisioner=karpenter: the API server does not know {plural}.{group} in version {version}; Karpenter must be installed first, with the definition of its node classes \
                     (--karpenter-node-class-group, -version and -resource-name say which)"
                )));
            }
        }
        Ok(())
    }

    /// Applies what of a class is ours. One that somebody else has made is left as it is: machines would be replaced.
    async fn write(&self, wish: &ClassWish) -> Result<(), BackendError> {
        if let Some(there) = self.read(wish).await?
            && there
                .pointer("/metadata/labels")
                .is_none_or(|all| all[labels::KARPENTER_MANAGED_BY] != labels::MANAGED_BY_KAITO)
        {
            tracing::warn!(
                "{} {} is there already and not labelled {}={}: it is used as it is, whatever --karpenter-node-classes says of it",
                self.kind.kind,
                wish.name,
                labels::KARPENTER_MANAGED_BY,
                labels::MANAGED_BY_KAITO
            );
            return Ok(());
        }
        let url = with_query(&self.url(wish), &[("fieldManager", &self.manager), ("force", "true")], None);
        let body = wish.object(&self.kind);
        let applied = self.requests.foreign(LABEL, Method::PATCH, url, Some((Body::Apply, &body))).await;
        applied.map(|_| ()).map_err(answer)
    }

    async fn look(&self, wish: &ClassWish) -> Result<Standing, BackendError> {
        let Some(there) = self.read(wish).await? else { return Ok(Standing::NotReady("it is gone".to_owned())) };
        Ok(standing(&there))
    }

    async fn read(&self, wish: &ClassWish) -> Result<Option<Value>, BackendError> {
        match self.requests.foreign(LABEL, Method::GET, self.url(wish), None).await {
            Ok(value) => Ok(Some(value)),
            Err(Missing::Answer(error)) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(missing) => Err(answer(missing)),
        }
    }

    fn url(&self, wish: &ClassWish) -> String {
        let ClassKind { group, version, plural, .. } = &self.kind;
        format!("/apis/{group}/{version}/{plural}/{}", wish.name)
    }
}

/// What kept something from being done.
enum Trouble {
    /// No waiting mends it.
    Fatal(String),
    /// It may pass.
    Passing(BackendError),
}

impl Trouble {
    /// A class that the API server calls invalid stays so until somebody starts us with another list.
    fn of(error: BackendError) -> Self {
        match error.kind {
            ErrorKind::Invalid => Self::Fatal(format!("--karpenter-node-classes: {}", error.message)),
            _ => Self::Passing(error),
        }
    }
}

fn answer(missing: Missing) -> BackendError {
    match missing {
        Missing::Answer(error) => error,
        Missing::Kind => BackendError::new(ErrorKind::NotFound, "the API server does not know that kind"),
    }
}

/// How a class stands by its own words.
fn standing(class: &Value) -> Standing {
    let conditions = class.pointer("/status/conditions").and_then(Value::as_array);
    let ready = conditions.into_iter().flatten().find(|condition| condition["type"] == "Ready");
    let text = |field: &str| quoted(ready.and_then(|ready| ready[field].as_str()).unwrap_or_default());
    match ready {
        Some(ready) if ready["status"] == "True" => Standing::Ready,
        Some(_) => Standing::NotReady(format!("{}: {}", text("reason"), text("message"))),
        None => Standing::NotReady("Karpenter has not looked at it yet".to_owned()),
    }
}
