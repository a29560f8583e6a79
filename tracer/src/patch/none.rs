//! Of an architecture that has no stubs: every call stops.

use crate::{observe::Event, recorder::Recorder};
use filter::Insn;
use libc::c_int;
use model::Sysno;
use supervisor::wait::Wait;

/// What came of a call that a thread had to make for us: there are none.
#[derive(Debug)]
pub enum Made {
    /// It worked.
    Done,
    /// The kernel refused.
    Refused,
    /// The thread ended meanwhile.
    Ended(Option<Wait>),
}

/// What is to become of a call after it was recorded.
#[derive(Debug)]
pub enum Next {
    /// Nothing: it goes on.
    Proceed,
    /// The thread makes it once more.
    Again,
    /// These threads are to be stopped first.
    Hold(Vec<i32>),
    /// The thread ended meanwhile.
    Ended(Option<Wait>),
}

/// No filter that lets anything pass.
pub fn pass_stubs() -> Vec<Insn> {
    Vec::new()
}

/// No stubs.
#[derive(Debug, Default)]
pub struct Patcher;

impl Patcher {
    /// Nothing to forget.
    pub fn stopped(&self) {}

    /// Nothing to forget.
    pub fn executed(&mut self, _process: i32, _recorder: &Recorder) {}

    /// There is no room for stubs.
    pub fn settle(&mut self, _tid: i32, _process: i32) -> Made {
        Made::Refused
    }

    /// There is no room for stubs.
    pub fn begin(&mut self, _tid: i32, _process: i32, _recorder: &mut Recorder) -> Option<Made> {
        None
    }

    /// No image begins in another way.
    pub fn begins_without(&mut self, _event: &Event, _process: i32) -> bool {
        false
    }

    /// Nothing to keep.
    pub fn expect(&mut self, _maker: i32, _child: i32) {}

    /// Nothing to take over.
    pub fn stopped_first(&mut self, _tid: i32, _process: i32, _recorder: &Recorder) {}

    /// Nothing to forget.
    pub fn gone(&mut self, _process: i32, _recorder: &Recorder) {}

    /// Nobody's records are set aside.
    pub fn is_behind(&self) -> Option<i32> {
        None
    }

    /// Nothing was set aside.
    pub fn catch_up(&mut self, _recorder: &mut Recorder) {}

    /// Nothing passed.
    pub fn count(&mut self, _tid: i32, _process: i32, _recorder: &mut Recorder) {}

    /// Nobody lives in another's memory.
    pub fn ends_guest(&mut self, _process: i32, _recorder: &Recorder) {}

    /// Nothing to prepare.
    pub fn prepare(&mut self, _event: &Event, _process: i32, _recorder: &mut Recorder) -> Next {
        Next::Proceed
    }

    /// Nothing to learn.
    pub fn learn(&mut self, _tid: i32, _process: i32, _recorder: &Recorder) {}

    /// No call comes from a stub.
    pub fn is_stub(&self, _process: i32, _address: u64) -> bool {
        false
    }

    /// Nothing passed.
    pub fn before(&mut self, _event: &Event, _process: i32, _recorder: &mut Recorder) {}

    /// Nothing passed.
    pub fn follow(&mut self, _process: i32, _recorder: &mut Recorder) {}

    /// Nothing passed.
    pub fn replay(&mut self, _process: i32, _recorder: &mut Recorder) -> bool {
        false
    }

    /// No call asks.
    pub fn asks(&mut self, _event: &Event, _process: i32, _recorder: &mut Recorder) -> bool {
        false
    }

    /// Everything stops already.
    pub fn close(&mut self, _tid: i32, _process: i32) {}

    /// Nothing is in the way.
    pub fn entering(&mut self, _event: &Event, _process: i32, _recorder: &mut Recorder) -> bool {
        false
    }

    /// Nothing to take away.
    pub fn withdraw(&mut self, _tid: i32, _process: i32, _recorder: &Recorder) -> Vec<i32> {
        Vec::new()
    }

    /// Nothing to take away.
    pub fn retire(
        &mut self,
        _tid: i32,
        _process: i32,
        _is_left: bool,
        _recorder: &mut Recorder,
    ) -> Made {
        Made::Refused
    }

    /// No place is rewritten.
    pub fn recorded(&mut self, _event: &Event, _process: i32, _recorder: &mut Recorder) -> Next {
        Next::Proceed
    }

    /// No thread was to be stopped.
    pub fn held(
        &mut self,
        _event: &Event,
        _process: i32,
        _held: Option<&[i32]>,
        _recorder: &mut Recorder,
    ) {
    }

    /// Nobody was asked to stop at a call.
    pub fn make_again(&self, _tid: i32) -> bool {
        false
    }

    /// Nobody was asked to stop in one.
    pub fn restarts(&self, _tid: i32, _process: i32) -> Option<(u64, Sysno)> {
        None
    }

    /// No thread stands in a stub.
    pub fn put_back(&mut self, _tid: i32, _process: i32, _recorder: &mut Recorder) {}

    /// No breakpoint is ours.
    pub fn is_own_trap(&mut self, _tid: i32, _process: i32, _signal: c_int) -> bool {
        false
    }
}
