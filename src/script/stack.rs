//! Lua's stack, for functions that go through many values.
//!
//! The binding registers every value that it hands out, which costs several times what there is to be
//! done with most of them. Here values are read and made where Lua has them.
//!
//! What always holds: an [`Index`] was given by the stack it is used with, and what it stands for is not
//! taken off before its last use.
#![allow(unsafe_code)]

use super::failure::{Result, failure};
use mlua::{FromLuaMulti, IntoLuaMulti, Lua, ffi};
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;

pub struct Stack {
    state: *mut ffi::lua_State,
}

/// Where on the stack a value is.
#[derive(Clone, Copy)]
pub struct Index(c_int);

/// A value in its place.
pub enum Peeked<'a> {
    Nil,
    /// `cjson.null`.
    Null,
    Boolean(bool),
    Number(f64),
    String(&'a [u8]),
    Table,
    /// Of another type, which Lua calls so.
    Other(&'static str),
}

impl Peeked<'_> {
    /// As Lua names its type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Peeked::Nil => "nil",
            Peeked::Null => "userdata",
            Peeked::Boolean(_) => "boolean",
            Peeked::Number(_) => "number",
            Peeked::String(_) => "string",
            Peeked::Table => "table",
            Peeked::Other(name) => name,
        }
    }
}

pub struct Keys {
    pub count: usize,
    /// None if some are not the numbers of elements, which are counted from 1.
    pub greatest: Option<usize>,
}

/// Values that may be pushed after [`Stack::reserve`].
const RESERVED: c_int = 4;

/// Calls `f` with a stack that has these values, and gives what `f` left on it.
pub fn with<T, R: FromLuaMulti>(
    lua: &Lua,
    values: impl IntoLuaMulti,
    f: impl FnOnce(&mut Stack) -> Result<T>,
) -> Result<(T, R)> {
    let mut outcome = None;
    let call = |state| {
        // A panic must not unwind through Lua.
        outcome = Some(catch_unwind(AssertUnwindSafe(|| {
            let mut stack = Stack { state };
            stack.reserve()?;
            f(&mut stack)
        })));
    };
    // SAFETY: `Stack` keeps to what its functions require. Lua raises an error in them only where memory
    // is short; it jumps over `f` then, whose memory is lost, and the error is returned here.
    let left = unsafe { lua.exec_raw(values, call) }?;
    match outcome.expect("it was called") {
        Ok(result) => Ok((result?, left)),
        Err(panic) => resume_unwind(panic),
    }
}

// SAFETY of all below: `state` is the one that runs. By the module's invariant an index is that of a value.
// `reserve` has made room for what is pushed.
impl Stack {
    /// Makes room for a few more values. To be called before each level of tables.
    pub fn reserve(&mut self) -> Result<()> {
        // SAFETY: above.
        match unsafe { ffi::lua_checkstack(self.state, RESERVED) } {
            0 => Err(failure("stack overflow")),
            _ => Ok(()),
        }
    }

    /// All values that are there.
    pub fn indices(&self) -> impl Iterator<Item = Index> + use<> {
        (1..=self.top().0).map(Index)
    }

    /// The value that was pushed last.
    pub fn top(&self) -> Index {
        // SAFETY: above.
        Index(unsafe { ffi::lua_gettop(self.state) })
    }

    /// Takes off the value at `index` and all that were pushed after it.
    pub fn pop_from(&mut self, index: Index) {
        // SAFETY: above.
        unsafe { ffi::lua_settop(self.state, index.0 - 1) }
    }

    pub fn peek(&self, index: Index) -> Peeked<'_> {
        let (state, at) = (self.state, index.0);
        // SAFETY: above. A string stays where it is as long as it is on the stack, and nothing is taken off
        // while it is borrowed.
        unsafe {
            match ffi::lua_type(state, at) {
                ffi::LUA_TNIL => Peeked::Nil,
                ffi::LUA_TBOOLEAN => Peeked::Boolean(ffi::lua_toboolean(state, at) != 0),
                ffi::LUA_TNUMBER => Peeked::Number(ffi::lua_tonumber(state, at)),
                ffi::LUA_TSTRING => {
                    let mut len = 0;
                    let bytes = ffi::lua_tolstring(state, at, &mut len);
                    Peeked::String(std::slice::from_raw_parts(bytes.cast(), len))
                }
                ffi::LUA_TTABLE => Peeked::Table,
                ffi::LUA_TLIGHTUSERDATA if ffi::lua_touserdata(state, at).is_null() => Peeked::Null,
                kind => Peeked::Other(CStr::from_ptr(ffi::lua_typename(state, kind)).to_str().unwrap_or_default()),
            }
        }
    }

    fn expect_table(&self, index: Index) {
        // SAFETY: above.
        assert_eq!(unsafe { ffi::lua_type(self.state, index.0) }, ffi::LUA_TTABLE);
    }

    /// Calls `f` with each key of a table and its value. The table must not change meanwhile.
    pub fn each_pair(&mut self, table: Index, mut f: impl FnMut(&mut Stack, Index, Index) -> Result<()>) -> Result<()> {
        self.expect_table(table);
        self.reserve()?;
        self.push_nil();
        let key = self.top();
        // SAFETY: above; it is a table, and the key is one of its keys.
        while unsafe { ffi::lua_next(self.state, table.0) } != 0 {
            let value = Index(key.0 + 1);
            f(self, key, value)?;
            self.pop_from(value);
        }
        Ok(())
    }

    /// Calls `f` with each of the first `count` elements of a table, whether they are there or not.
    pub fn each_element(
        &mut self,
        table: Index,
        count: usize,
        mut f: impl FnMut(&mut Stack, Index) -> Result<()>,
    ) -> Result<()> {
        self.expect_table(table);
        self.reserve()?;
        for number in 1..=count as c_int {
            // SAFETY: above; it is a table.
            unsafe { ffi::lua_rawgeti_(self.state, table.0, number) };
            let element = self.top();
            f(self, element)?;
            self.pop_from(element);
        }
        Ok(())
    }

    /// What the keys of a table are.
    pub fn keys(&mut self, table: Index) -> Result<Keys> {
        let mut keys = Keys { count: 0, greatest: Some(0) };
        self.each_pair(table, |stack, key, _| {
            let number = match stack.peek(key) {
                Peeked::Number(number) if number >= 1.0 && number <= c_int::MAX as f64 && number.fract() == 0.0 => {
                    Some(number as usize)
                }
                _ => None,
            };
            keys.greatest = keys.greatest.zip(number).map(|(greatest, number)| greatest.max(number));
            keys.count += 1;
            Ok(())
        })?;
        Ok(keys)
    }

    pub fn push_nil(&mut self) {
        // SAFETY: above.
        unsafe { ffi::lua_pushnil(self.state) }
    }

    /// Pushes `cjson.null`.
    pub fn push_null(&mut self) {
        // SAFETY: above.
        unsafe { ffi::lua_pushlightuserdata(self.state, null_mut()) }
    }

    pub fn push_boolean(&mut self, truth: bool) {
        // SAFETY: above.
        unsafe { ffi::lua_pushboolean(self.state, truth as c_int) }
    }

    pub fn push_number(&mut self, number: f64) {
        // SAFETY: above.
        unsafe { ffi::lua_pushnumber(self.state, number) }
    }

    pub fn push_string(&mut self, bytes: &[u8]) {
        // SAFETY: above; Lua copies the bytes.
        unsafe { ffi::lua_pushlstring_(self.state, bytes.as_ptr().cast(), bytes.len()) }
    }

    /// Pushes a table that has room for so many elements and other pairs.
    pub fn push_table(&mut self, elements: usize, pairs: usize) -> Index {
        let room = |count: usize| c_int::try_from(count).unwrap_or(0);
        // SAFETY: above.
        unsafe { ffi::lua_createtable(self.state, room(elements), room(pairs)) };
        self.top()
    }

    /// Sets the element of a table to the value pushed last, which is taken off.
    pub fn set_element(&mut self, table: Index, number: usize) {
        self.expect_table(table);
        // SAFETY: above; it is a table.
        unsafe { ffi::lua_rawseti_(self.state, table.0, number as c_int) }
    }

    /// The same for the key pushed before it, which is taken off as well. It must be one that a table can have.
    pub fn set_pair(&mut self, table: Index) -> Result<()> {
        self.expect_table(table);
        match self.peek(Index(self.top().0 - 1)) {
            Peeked::Nil => return Err(failure("table index is nil")),
            Peeked::Number(number) if number.is_nan() => return Err(failure("table index is NaN")),
            _ => (),
        }
        // SAFETY: above; it is a table, and Lua accepts the key.
        unsafe { ffi::lua_rawset(self.state, table.0) };
        Ok(())
    }
}
