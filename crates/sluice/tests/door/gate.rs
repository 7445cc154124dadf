//! Between the gateway and its warehouse: requests that a test names wait until it lets them go on.

use crate::program::pause;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const WITHIN: Duration = Duration::from_secs(40);
const LOOK: Duration = Duration::from_millis(20);

/// Ends when it is dropped.
pub struct Gate {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    listens: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Of requests whose target holds this text so many pass, and the others wait.
    held: Vec<(&'static str, usize)>,
    asked: Vec<String>,
    waiting: usize,
    is_over: bool,
}

impl Gate {
    pub fn start(to: SocketAddr) -> Gate {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, shared) = (listener.local_addr().unwrap(), Arc::new(Shared::default()));
        let listening = Arc::clone(&shared);
        let listens = std::thread::spawn(move || {
            for near in listener.incoming() {
                if listening.state.lock().unwrap().is_over {
                    return;
                }
                let (near, far) = (near.unwrap(), TcpStream::connect(to).unwrap());
                let (back, answers) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                let shared = Arc::clone(&listening);
                std::thread::spawn(move || requests(near, far, &shared));
                std::thread::spawn(move || copied(answers, back));
            }
        });
        Gate { address, shared, listens: Some(listens) }
    }

    /// From now on, and nothing else.
    pub fn hold(&self, held: &[(&'static str, usize)]) {
        let mut state = self.shared.state.lock().unwrap();
        state.held = held.to_vec();
        state.asked.clear();
    }

    pub fn wait_for(&self, count: usize) {
        let started = Instant::now();
        while self.waiting() < count {
            let asked = self.asked("");
            assert!(started.elapsed() < WITHIN, "of {count} requests not all wait: {asked:?}");
            pause(LOOK);
        }
    }

    fn waiting(&self) -> usize {
        self.shared.state.lock().unwrap().waiting
    }

    pub fn open(&self) {
        self.shared.state.lock().unwrap().held.clear();
        self.shared.changed.notify_all();
    }

    /// Since it began to hold, of requests whose target holds this text.
    pub fn asked(&self, text: &str) -> Vec<String> {
        self.shared.state.lock().unwrap().asked.iter().filter(|target| target.contains(text)).cloned().collect()
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().is_over = true;
        self.open();
        drop(TcpStream::connect(self.address));
        drop(self.listens.take().map(JoinHandle::join));
    }
}

impl Shared {
    fn pass(&self, target: &str) {
        let mut state = self.state.lock().unwrap();
        state.asked.push(target.to_owned());
        let Some(held) = state.held.iter_mut().find(|(text, _)| target.contains(text)) else { return };
        if held.1 > 0 {
            held.1 -= 1;
            return;
        }
        state.waiting += 1;
        while state.held.iter().any(|(text, _)| target.contains(text)) {
            state = self.changed.wait(state).unwrap();
        }
        state.waiting -= 1;
    }
}

/// The gateway sends a request when the one before it is answered: what begins one is read at once, and a GET has no body.
fn requests(mut near: TcpStream, mut far: TcpStream, shared: &Shared) {
    let mut part = vec![0; 64 << 10];
    while let Ok(count @ 1..) = near.read(&mut part) {
        let head = String::from_utf8_lossy(&part[..count.min(4_096)]).into_owned();
        if let Some(target) = head.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()) {
            shared.pass(target);
        }
        if far.write_all(&part[..count]).is_err() {
            break;
        }
    }
    drop(far.shutdown(Shutdown::Write));
}

fn copied(mut from: TcpStream, mut to: TcpStream) {
    drop(std::io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Both));
}
