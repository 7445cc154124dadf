//! Starts and stops a sandbox.

use super::service::{self, Service};
use super::uploads::Uploads;
use crate::execute::{Evaluator, Warehouse};
use crate::faults::FaultPlan;
use crate::job::Jobs;
use crate::log::{LoggedRequest, RequestLog};
use crate::problem::Problem;
use crate::settings::Settings;
use crate::storage::{self, Door};
use crate::store::folder::Folder;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

/// Threads for requests; statements run on threads of their own.
const WORKER_THREADS: usize = 2;
const STATEMENT_THREADS_MAX: usize = 32;
const THREAD_STACK_BYTES: usize = 16 * 1024 * 1024;

pub struct Sandbox;

/// A sandbox that serves until it is dropped.
pub struct Running {
    pub address: SocketAddr,
    /// Of the Storage API.
    pub storage_address: SocketAddr,
    service: Arc<Service>,
    stop: Vec<oneshot::Sender<()>>,
    runtime: Option<Runtime>,
}

#[derive(Debug)]
pub enum StartError {
    Data(Problem),
    Listen { address: SocketAddr, error: io::Error },
    Runtime(io::Error),
}

impl Sandbox {
    pub fn start(evaluator: Arc<dyn Evaluator>, settings: Settings) -> Result<Running, StartError> {
        let warehouse = Arc::new(Sandbox::warehouse(evaluator, &settings).map_err(StartError::Data)?);
        let (address, listener) = listen(SocketAddr::new(settings.address, settings.port))?;
        let (storage_address, storage_listener) = listen(SocketAddr::new(settings.address, settings.storage_port))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .max_blocking_threads(STATEMENT_THREADS_MAX)
            .thread_stack_size(THREAD_STACK_BYTES)
            .thread_name("sandbox")
            .enable_all()
            .build()
            .map_err(StartError::Runtime)?;
        let service = Arc::new(Service {
            jobs: Jobs::new(warehouse.clone()),
            warehouse,
            uploads: Uploads::default(),
            faults: Arc::default(),
            log: Arc::default(),
            settings,
        });
        let router = Router::new().fallback(service::serve).layer(DefaultBodyLimit::disable()).with_state(service.clone());
        let (stop, stopped) = oneshot::channel();
        let (storage_stop, storage_stopped) = oneshot::channel();
        let entered = runtime.enter();
        let listener = tokio::net::TcpListener::from_std(listener).map_err(StartError::Runtime)?;
        let storage_listener = tokio::net::TcpListener::from_std(storage_listener).map_err(StartError::Runtime)?;
        drop(entered);
        runtime.spawn(async move {
            let serving = axum::serve(listener, router).with_graceful_shutdown(async move { drop(stopped.await) });
            // It ends when it is told to; there is nobody left to tell otherwise.
            let _ = serving.await;
        });
        let door =
            Arc::new(Door { service: service.clone(), sessions: storage::Sessions::default(), writes: storage::WriteStreams::default() });
        runtime.spawn(storage::listen(storage_listener, door, storage_stopped));
        Ok(Running { address, storage_address, service, stop: vec![stop, storage_stop], runtime: Some(runtime) })
    }

    /// The warehouse alone, without HTTP.
    pub fn warehouse(evaluator: Arc<dyn Evaluator>, settings: &Settings) -> Result<Warehouse, Problem> {
        let folder = settings.folder.clone().map(Folder::open).transpose()?;
        let kept = folder.as_ref().map(Folder::load).transpose()?.flatten();
        let mut state = settings.data.state(&settings.location)?;
        match (&folder, kept) {
            (Some(_), Some(kept)) => {
                // What is generated is never kept, so it comes anew each time.
                let generated = state.datasets.into_iter().filter(|(name, _)| name.dataset == crate::data::events::DATASET);
                state = kept;
                state.datasets.extend(generated);
            }
            (Some(folder), None) => folder.keep_all(&state)?,
            (None, _) => {}
        }
        Ok(Warehouse::new(evaluator, &settings.project, &settings.location, state, folder))
    }
}

fn listen(wanted: SocketAddr) -> Result<(SocketAddr, TcpListener), StartError> {
    let listen = || {
        let listener = TcpListener::bind(wanted)?;
        listener.set_nonblocking(true)?;
        Ok((listener.local_addr()?, listener))
    };
    listen().map_err(|error| StartError::Listen { address: wanted, error })
}

impl Running {
    /// `http://127.0.0.1:1234`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn warehouse(&self) -> &Warehouse {
        &self.service.warehouse
    }

    /// What was asked so far.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.service.log.entries()
    }

    pub fn log(&self) -> &RequestLog {
        &self.service.log
    }

    pub fn faults(&self) -> &FaultPlan {
        &self.service.faults
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for stop in self.stop.drain(..) {
            // Nobody listens any more where the server has ended by itself.
            let _ = stop.send(());
        }
        // Statements may still run for a moment; whoever starts next on the folder shall not meet them.
        self.service.warehouse.close();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Data(problem) => write!(formatter, "the sandbox's data could not be loaded: {problem}"),
            StartError::Listen { address, error } => write!(formatter, "the sandbox could not listen on `{address}`: {error}"),
            StartError::Runtime(error) => write!(formatter, "the sandbox could not be started: {error}"),
        }
    }
}

impl std::error::Error for StartError {}
