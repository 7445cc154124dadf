//! A warehouse of written answers, for what the embedded one does not do.

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Ends when it is dropped.
pub struct Double {
    pub url: String,
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    is_over: Arc<AtomicBool>,
    listens: Option<JoinHandle<()>>,
}

impl Double {
    /// Each answer is for all targets that hold its text; of several the longest text.
    pub fn start<const COUNT: usize>(answers: [(&'static str, Value); COUNT]) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (asked, is_over): (Arc<Mutex<Vec<String>>>, Arc<AtomicBool>) = Default::default();
        let (log, over, answers) = (Arc::clone(&asked), Arc::clone(&is_over), Arc::new(answers.to_vec()));
        let listens = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (log, answers) = (Arc::clone(&log), Arc::clone(&answers));
                std::thread::spawn(move || serve(&stream.unwrap(), &log, &answers));
            }
        });
        Double { url: format!("http://{address}"), address, asked, is_over, listens: Some(listens) }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        drop(self.listens.take().map(JoinHandle::join));
    }
}

/// One request after the other, none with a body.
fn serve(stream: &TcpStream, log: &Mutex<Vec<String>>, answers: &[(&'static str, Value)]) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).is_ok_and(|count| count > 0) && line != "\r\n" {
                head.push(line);
            } else {
                break;
            }
        }
        let Some(target) = head.first().and_then(|line| line.split(' ').nth(1)) else { return };
        log.lock().unwrap().push(target.to_owned());
        let found = answers.iter().filter(|(text, _)| target.contains(text)).max_by_key(|(text, _)| text.len());
        let (status, body) = match found {
            Some((_, body)) => ("200 OK", body.to_string()),
            None => ("404 Not Found", r#"{"error":{"code":404,"message":"Not found: Table","errors":[{"reason":"notFound"}]}}"#.to_owned()),
        };
        let answer = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut writer = stream;
        if writer.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}
