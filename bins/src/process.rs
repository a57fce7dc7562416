//! The parts of a program that run until one ends or somebody says stop; then all end, in order.

use crate::admin::{self, BindAddress};
use crate::kube::{ClassKeeper, Operator, Readiness};
use crate::telemetry::{self, Verbosity};
use axum::Router;
use std::pin::Pin;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Runs a program on this thread until it ends, or until somebody asks it to (SIGTERM, SIGINT): the future that it is given completes then.
pub fn until_told<F: Future<Output = Result<(), String>>>(
    verbosity: Verbosity,
    json_logs: bool,
    program: impl FnOnce(Told) -> F,
) -> Result<(), String> {
    // One provider for the whole process; that it is there already is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    telemetry::install(verbosity, json_logs)?;
    let words = |error: std::io::Error| error.to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(words)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(words)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(words)?;
        program(Box::pin(async move {
            tokio::select! { _ = terminate.recv() => (), _ = interrupt.recv() => () }
        }))
        .await
    })
}

/// Completes when the program shall end.
pub type Told = Pin<Box<dyn Future<Output = ()> + Send>>;

/// From the signal to the end at the latest; a pod is killed after 30 seconds.
const SHUTDOWN: Duration = Duration::from_secs(25);

/// What runs.
#[derive(Default)]
pub(crate) struct Parts {
    stop: CancellationToken,
    tasks: JoinSet<Result<(), String>>,
}

impl Parts {
    /// Serves routes at an address; `flag` is what named it. Fails when it cannot be listened on.
    pub(crate) async fn serve(&mut self, flag: &str, address: &BindAddress, routes: Router) -> Result<(), String> {
        let listener = address.listen().await.map_err(|error| format!("{flag}={address}: {error}"))?;
        if let Some(listener) = listener {
            let stop = self.stop.clone().cancelled_owned();
            self.tasks
                .spawn(async move { admin::serve(listener, routes, stop).await.map_err(|error| error.to_string()) });
        }
        Ok(())
    }

    /// Runs controllers, and tells what they wait for.
    pub(crate) fn operate(&mut self, operator: Operator) {
        self.tasks.spawn(tell(operator.readiness(), self.stop.clone()));
        let stop = self.stop.clone();
        self.tasks.spawn(async move { operator.run(stop.cancelled_owned()).await.map_err(|error| error.to_string()) });
    }

    /// Keeps NodeClasses; ends the program where there can be none.
    pub(crate) fn keep(&mut self, classes: ClassKeeper) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            if let Some(kept) = stop.run_until_cancelled(classes.keep()).await {
                kept?;
                stop.cancelled().await;
            }
            Ok(())
        });
    }

    /// Runs until `shutdown` completes; then ends, within 25 seconds. Fails when a part ends by itself.
    pub(crate) async fn run(mut self, shutdown: impl Future<Output = ()> + Send) -> Result<(), String> {
        let ended = tokio::select! {
            () = shutdown => None,
            ended = self.tasks.join_next() => ended,
        };
        tracing::info!("stopping");
        self.stop.cancel();
        if tokio::time::timeout(SHUTDOWN, async { while self.tasks.join_next().await.is_some() {} }).await.is_err() {
            tracing::warn!("not everything ended within {} seconds", SHUTDOWN.as_secs());
        }
        match ended {
            None => Ok(()),
            Some(Ok(Ok(()))) => Err("a part ended unexpectedly".to_owned()),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(error)) => Err(error.to_string()),
        }
    }
}

/// Says once what is waited for, each time that changes, and when all is there.
async fn tell(readiness: Readiness, stop: CancellationToken) -> Result<(), String> {
    let (mut told, mut ticks) = (None, tokio::time::interval(Duration::from_secs(1)));
    ticks.tick().await; // the first comes at once, before anything can be there
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let missing = readiness.missing();
        if told.as_ref() == Some(&missing) {
            continue;
        }
        match missing.as_slice() {
            [] => tracing::info!("ready"),
            all => tracing::warn!("not ready: {}", all.join("; ")),
        }
        told = Some(missing);
    }
    Ok(())
}
