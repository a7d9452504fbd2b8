//! What the tests of the command share: a folder to run it in.
#![allow(dead_code)]

use serde_json::Value as Json;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Folder(tempfile::TempDir);

pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// The one JSON object that is printed.
pub fn json(out: &str) -> Json {
    assert_eq!(out.lines().count(), 1, "{out}");
    serde_json::from_str(out).unwrap()
}

impl Folder {
    pub fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Every name in the folder, hidden ones included.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tilewise"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// `tilewise` with this working directory.
    pub fn tilewise(&self, args: &[&str]) -> Done {
        let output = self.command(args).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs well and gives what is printed.
    pub fn prints(&self, args: &[&str]) -> String {
        let done = self.tilewise(args);
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.err);
        done.out
    }

    /// Runs well and prints one JSON object.
    pub fn json(&self, args: &[&str]) -> Json {
        json(&self.prints(args))
    }

    /// Fails with that code and one line that says `part`, and leaves the folder as it was.
    pub fn refuses(&self, args: &[&str], code: i32, part: &str) -> String {
        let before = self.names();
        let done = self.tilewise(args);
        assert_eq!(done.code, Some(code), "{args:?}: {}", done.err);
        let errors: Vec<&str> = done.err.lines().filter(|l| l.starts_with("error: ")).collect();
        assert!(errors.len() == 1 && errors[0].contains(part), "{args:?}: {}", done.err);
        assert_eq!(done.out, "", "{args:?}");
        assert_eq!(self.names(), before, "{args:?} left something behind");
        done.err
    }

    /// Waits until a run has begun an output.
    pub fn wait_for_output(&self, child: &mut Child) {
        let started = Instant::now();
        while !self.names().iter().any(|name| name.ends_with("partial")) {
            assert!(child.try_wait().unwrap().is_none(), "the run ended too soon");
            assert!(started.elapsed() < Duration::from_secs(30), "no output appears: {:?}", self.names());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// A uint16 ramp of that shape: element i is i.
    pub fn ramp(&self, name: &str, shape: &[usize]) {
        let n: usize = shape.iter().product();
        let data: Vec<u8> = (0..n).flat_map(|i| (i as u16).to_le_bytes()).collect();
        fs::write(self.path(name), [npy_header("<u2", shape), data].concat()).unwrap();
    }

    /// An array of bytes.
    pub fn bytes(&self, name: &str, shape: &[usize], value: impl Fn(usize) -> u8) {
        let data: Vec<u8> = (0..shape.iter().product()).map(value).collect();
        fs::write(self.path(name), [npy_header("|u1", shape), data].concat()).unwrap();
    }

    /// Zeros that take no room on disk, so that there can be many.
    pub fn zeros(&self, name: &str, shape: &[usize]) {
        let header = npy_header("|u1", shape);
        let mut file = fs::File::create(self.path(name)).unwrap();
        file.write_all(&header).unwrap();
        file.set_len((header.len() + shape.iter().product::<usize>()) as u64).unwrap();
    }
}

pub fn npy_header(descr: &str, shape: &[usize]) -> Vec<u8> {
    let shape: String = shape.iter().map(|n| format!("{n}, ")).collect();
    let dict = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    let padded = (10 + dict.len() + 1).next_multiple_of(64) - 11;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(((padded + 1) as u16).to_le_bytes());
    bytes.extend(format!("{dict:<padded$}\n").bytes());
    bytes
}
