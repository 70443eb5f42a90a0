//! Functions of ours that Lua calls: they work on its stack.
//!
//! The binding could hand them their arguments, but it registers every value that it hands out, which costs
//! several times what there is to be done with most of them. Here values are read and made where Lua has them.
//!
//! What always holds: an [`Index`] was given by the stack it is used with, and what it stands for is not
//! taken off before its last use.
#![allow(unsafe_code)]

use super::failure::{Failure, Result, bad_argument, failure};
use mlua::{Function, Lua, ffi};
use std::any::Any;
use std::ffi::{CStr, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::rc::Rc;

/// The stack of one call. At first its values are the arguments.
pub struct Stack {
    state: *mut ffi::lua_State,
}

/// Where on the stack a value is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Index(c_int);

impl Index {
    /// That of an argument, whether it is there or not.
    pub const fn argument(index: usize) -> Index {
        Index(index as c_int + 1)
    }
}

/// A value in its place.
#[derive(Clone, Copy, PartialEq)]
pub enum Peeked<'a> {
    /// There is no such argument.
    Absent,
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
            Peeked::Absent => "no value",
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

/// What the keys of a table are.
pub struct Keys {
    pub count: usize,
    /// None if some are not the numbers of elements, which are counted from 1.
    pub greatest: Option<usize>,
}

/// Values that may be pushed after [`Stack::reserve`], or at first.
const RESERVED: c_int = 8;

/// A function for Lua. What it gives are as many of the values that it pushed last as it says.
pub fn function<F: Fn(&mut Stack) -> Result<usize> + 'static>(lua: &Lua, f: F) -> mlua::Result<Function> {
    let f = Rc::new(f);
    let pointer = Rc::as_ptr(&f).cast_mut();
    let owner: Rc<dyn Any> = f;
    let owner = lua.create_any_userdata(owner)?;
    // SAFETY: what is pushed are the two values that the function has with it.
    unsafe {
        lua.exec_raw(owner, |state| {
            ffi::lua_pushlightuserdata(state, pointer.cast());
            ffi::lua_pushcclosure(state, call::<F>, 2);
        })
    }
}

/// What Lua calls.
unsafe extern "C-unwind" fn call<F: Fn(&mut Stack) -> Result<usize>>(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: `function` put it there; what owns it is beside it, so it lives.
    let f = unsafe { &*ffi::lua_touserdata(state, ffi::lua_upvalueindex(2)).cast::<F>() };
    let mut stack = Stack { state };
    match catch_unwind(AssertUnwindSafe(|| f(&mut stack).map_err(|failure| stack.push_failure(failure)))) {
        Ok(Ok(count)) => return count as c_int,
        Ok(Err(())) => (),
        // It was reported, and cannot unwind through Lua.
        Err(_) => std::process::abort(),
    }
    // SAFETY: the error was pushed, and nothing here is left to be dropped.
    unsafe { ffi::lua_error(state) }
}

// SAFETY of all below: `state` is the one that runs. By the module's invariant an index is that of a value, or of an
// argument that is not there, which Lua allows. `reserve`, or Lua before the call, has made room for what is pushed.
// Lua raises errors here only where the system has no memory; it jumps over what runs then, whose own is lost.
impl Stack {
    /// Makes room for a few more values. To be called before each level of tables.
    pub fn reserve(&mut self) -> Result<()> {
        // SAFETY: above.
        match unsafe { ffi::lua_checkstack(self.state, RESERVED) } {
            0 => Err(failure("stack overflow")),
            _ => Ok(()),
        }
    }

    /// How many values there are: at first, how many arguments.
    pub fn len(&self) -> usize {
        self.top().0 as usize
    }

    /// All values that are there.
    pub fn indices(&self) -> impl Iterator<Item = Index> + use<> {
        (1..=self.top().0).map(Index)
    }

    /// An argument, counted from 0, that must be a string, or a number in its place.
    pub fn string(&self, index: usize, function: &str) -> Result<&[u8]> {
        let at = Index::argument(index);
        match self.peek(at) {
            Peeked::String(bytes) => Ok(bytes),
            Peeked::Number(_) => Ok(self.text(at)),
            other => Err(bad_argument(index + 1, function, format_args!("string expected, got {}", other.type_name()))),
        }
    }

    /// A string or a number, which becomes a string.
    fn text(&self, at: Index) -> &[u8] {
        let mut len = 0;
        // SAFETY: above. A string stays where it is as long as it is on the stack, and nothing is taken off
        // while it is borrowed.
        unsafe {
            let bytes = ffi::lua_tolstring(self.state, at.0, &mut len);
            std::slice::from_raw_parts(bytes.cast(), len)
        }
    }

    /// An argument that must be a number, or a string that is one.
    pub fn number(&self, index: usize, function: &str) -> Result<f64> {
        let at = Index::argument(index);
        // SAFETY: above.
        unsafe {
            if ffi::lua_isnumber(self.state, at.0) != 0 {
                return Ok(ffi::lua_tonumber(self.state, at.0));
            }
        }
        let got = self.peek(at).type_name();
        Err(bad_argument(index + 1, function, format_args!("number expected, got {got}")))
    }

    /// The same, without its fraction.
    pub fn integer(&self, index: usize, function: &str) -> Result<i64> {
        self.number(index, function).map(|number| number as i64)
    }

    /// The same, of an argument that may be left out.
    pub fn optional_integer(&self, index: usize, function: &str) -> Result<Option<i64>> {
        match self.peek(Index::argument(index)) {
            Peeked::Absent | Peeked::Nil => Ok(None),
            _ => self.integer(index, function).map(Some),
        }
    }

    /// The value that was pushed last.
    pub fn top(&self) -> Index {
        // SAFETY: above.
        Index(unsafe { ffi::lua_gettop(self.state) })
    }

    /// The values pushed since there were `arguments`.
    pub fn count_after(&self, arguments: usize) -> usize {
        self.len() - arguments
    }

    /// Takes off the value at `index` and all that were pushed after it.
    pub fn pop_from(&mut self, index: Index) {
        // SAFETY: above.
        unsafe { ffi::lua_settop(self.state, index.0 - 1) }
    }

    pub fn peek(&self, index: Index) -> Peeked<'_> {
        let (state, at) = (self.state, index.0);
        // SAFETY: above.
        unsafe {
            match ffi::lua_type(state, at) {
                ffi::LUA_TNONE => Peeked::Absent,
                ffi::LUA_TNIL => Peeked::Nil,
                ffi::LUA_TBOOLEAN => Peeked::Boolean(ffi::lua_toboolean(state, at) != 0),
                ffi::LUA_TNUMBER => Peeked::Number(ffi::lua_tonumber(state, at)),
                ffi::LUA_TSTRING => Peeked::String(self.text(index)),
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

    /// Pushes a table that has room for that many elements and other pairs.
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

    /// The same for the key pushed before it, which is taken off as well. A pair whose key no table can have is left
    /// out.
    pub fn set_pair(&mut self, table: Index) {
        self.expect_table(table);
        let key = Index(self.top().0 - 1);
        match self.peek(key) {
            Peeked::Nil => self.pop_from(key),
            Peeked::Number(number) if number.is_nan() => self.pop_from(key),
            // SAFETY: above; it is a table, and Lua accepts the key.
            _ => unsafe { ffi::lua_rawset(self.state, table.0) },
        }
    }

    /// Pushes what a failure is to scripts.
    #[cold]
    fn push_failure(&mut self, failure: Failure) {
        if let Failure::Text(text) = failure {
            // There may be no room left.
            self.pop_from(Index::argument(0));
            // SAFETY: above; level 1 is what called the function.
            unsafe { ffi::luaL_where(self.state, 1) };
            self.push_string(text.as_bytes());
            // SAFETY: above; both are strings.
            unsafe { ffi::lua_concat(self.state, 2) };
        }
    }

    /// Moves the value pushed last to before another.
    pub fn move_last_to(&mut self, index: Index) {
        // SAFETY: above.
        unsafe { ffi::lua_insert(self.state, index.0) }
    }
}
