//! A small HTTP server inside the test process, for workloads whose server is not part of the run.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Starts the server on a free port of 127.0.0.1 and gives that port; it ends with the test process.
pub fn serve() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
    let port = listener.local_addr().expect("address of the listener").port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away early is its own affair.
            thread::spawn(move || answer(stream));
        }
    });
    port
}

/// Answers one request and closes: pages of fixed content, `/redirect`, and uploads of any kind.
fn answer(stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    reader.read_line(&mut request)?;
    let (mut length, mut chunked) = (0, false);
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let header = header.trim().to_ascii_lowercase();
        if let Some(value) = header.strip_prefix("content-length: ") {
            length = value.parse().unwrap_or(0);
        }
        chunked |= header == "transfer-encoding: chunked";
        if header == "expect: 100-continue" {
            (&stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        if header.is_empty() {
            break;
        }
    }
    if chunked {
        read_chunks(&mut reader)?;
    } else {
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
    }
    let body =
        if request.starts_with("GET ") { "0123456789\n".repeat(3000) } else { String::new() };
    let head = if request.starts_with("GET /redirect ") {
        "302 Found\r\nLocation: /page.html"
    } else {
        "200 OK\r\nContent-Type: text/plain"
    };
    let head =
        format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    (&stream).write_all(head.as_bytes())?;
    (&stream).write_all(body.as_bytes())
}

fn read_chunks(reader: &mut impl BufRead) -> std::io::Result<()> {
    loop {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        let size = u64::from_str_radix(size.trim(), 16).unwrap_or(0);
        std::io::copy(&mut reader.by_ref().take(size + 2), &mut std::io::sink())?;
        if size == 0 {
            return Ok(());
        }
    }
}
