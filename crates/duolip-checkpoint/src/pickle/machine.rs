//! The machine itself: reads instructions, moves values between stack, memo and table.
//!
//! Must not know what names mean (`global`) or what calling them gives (`call`).

use std::io::BufRead;

use super::{Arena, Classes, Global, Value, arena::Node, call};
use crate::{error::Damage, input::Input};

/// A pickle of a checkpoint with its optimiser has about 200 kB.
pub(crate) const MOST_BYTES: u64 = 16 << 20;
const MOST_STACK: usize = 65_536;
const MOST_MARKS: usize = 1_024;
const MOST_MEMO: usize = 131_072;
/// Longer texts are skipped: no name is that long.
const MOST_TEXT: u64 = 4_096;

struct Machine<'a, R> {
    input: &'a mut Input<R>,
    classes: Classes,
    arena: Arena,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Vec<Option<Value>>,
    /// Where the present instruction lies.
    at: u64,
}

/// Runs one pickle to its STOP; the input then stands behind it.
pub(crate) fn run(
    input: &mut Input<impl BufRead>,
    classes: Classes,
) -> Result<(Arena, Value), Damage> {
    let mut machine = Machine {
        input,
        classes,
        arena: Arena::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: Vec::new(),
        at: 0,
    };
    let start = machine.input.position();
    loop {
        machine.at = machine.input.position();
        if machine.at - start > MOST_BYTES {
            return Err(Damage::Limit { of: "bytes of pickle", most: MOST_BYTES as usize });
        }
        match machine.input.byte()? {
            b'.' => {
                let value = machine.pop()?;
                return Ok((machine.arena, value));
            }
            code => machine.step(code)?,
        }
    }
}

impl<R: BufRead> Machine<'_, R> {
    #[expect(clippy::too_many_lines, reason = "one line per instruction")]
    fn step(&mut self, code: u8) -> Result<(), Damage> {
        match code {
            // PROTO, FRAME
            0x80 => self.input.skip(1),
            0x95 => self.input.skip(8),
            // MARK, POP, DUP; POP_MARK, ADDITEMS (sets hold no tensors)
            b'(' => self.mark(),
            b'0' => self.discard(),
            b'1' | 0x90 => self.pop_to_mark().map(drop),
            b'2' => {
                let top = self.top()?;
                self.push(top)
            }
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            // BININT, BININT1, BININT2, LONG1, LONG4, BINFLOAT
            b'J' => {
                let number = i32::from_le_bytes(self.input.array()?);
                self.push(Value::Int(number.into()))
            }
            b'K' => {
                let number = self.input.byte()?;
                self.push(Value::Int(number.into()))
            }
            b'M' => {
                let number = u16::from_le_bytes(self.input.array()?);
                self.push(Value::Int(number.into()))
            }
            0x8A => {
                let size = self.input.byte()?;
                self.integer(size.into())
            }
            0x8B => {
                let size = self.length4()?;
                self.integer(size)
            }
            b'G' => {
                self.input.skip(8)?;
                self.push(Value::Ignored)
            }
            // SHORT_BINSTRING, SHORT_BINUNICODE; BINSTRING, BINUNICODE; BINUNICODE8
            b'U' | 0x8C => {
                let size = self.input.byte()?;
                self.text(size.into())
            }
            b'T' | b'X' => {
                let size = self.length4()?;
                self.text(size)
            }
            0x8D => {
                let size = self.length8()?;
                self.text(size)
            }
            // SHORT_BINBYTES; BINBYTES; BINBYTES8, BYTEARRAY8
            b'C' => {
                let size = self.input.byte()?;
                self.ignored(size.into())
            }
            b'B' => {
                let size = self.length4()?;
                self.ignored(size)
            }
            0x8E | 0x96 => {
                let size = self.length8()?;
                self.ignored(size)
            }
            // EMPTY_TUPLE, TUPLE1, TUPLE2, TUPLE3, TUPLE
            b')' => self.tuple(0),
            0x85 => self.tuple(1),
            0x86 => self.tuple(2),
            0x87 => self.tuple(3),
            b't' => {
                let members = self.pop_to_mark()?;
                self.arena.count(members.len())?;
                self.add(Node::Tuple(members.into()))
            }
            // EMPTY_LIST, LIST, APPEND, APPENDS
            b']' => self.add(Node::List(Vec::new())),
            b'l' => {
                let members = self.pop_to_mark()?;
                self.arena.count(members.len())?;
                self.add(Node::List(members))
            }
            b'a' => {
                let member = self.pop()?;
                self.append(&[member])
            }
            b'e' => {
                let members = self.pop_to_mark()?;
                self.append(&members)
            }
            // EMPTY_DICT, DICT, SETITEM, SETITEMS
            b'}' => self.add(Node::Dictionary(Vec::new())),
            b'd' => {
                let members = self.pop_to_mark()?;
                self.add(Node::Dictionary(Vec::new()))?;
                self.set_items(&members)
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.set_items(&[key, value])
            }
            b'u' => {
                let members = self.pop_to_mark()?;
                self.set_items(&members)
            }
            // EMPTY_SET, FROZENSET
            0x8F => self.push(Value::Ignored),
            0x91 => {
                self.pop_to_mark()?;
                self.push(Value::Ignored)
            }
            // BINPUT, LONG_BINPUT, MEMOIZE, BINGET, LONG_BINGET
            b'q' => {
                let index = self.input.byte()?;
                self.remember(index.into())
            }
            b'r' => {
                let index = u32::from_le_bytes(self.input.array()?);
                self.remember(index as usize)
            }
            0x94 => self.remember(self.memo.len()),
            b'h' => {
                let index = self.input.byte()?;
                self.recall(index.into())
            }
            b'j' => {
                let index = u32::from_le_bytes(self.input.array()?);
                self.recall(index as usize)
            }
            // GLOBAL, STACK_GLOBAL
            b'c' => {
                let module = self.input.line(MOST_TEXT as usize)?;
                let name = self.input.line(MOST_TEXT as usize)?;
                let (module, name) =
                    (String::from_utf8_lossy(&module), String::from_utf8_lossy(&name));
                let global = self.classes.find(&module, &name)?;
                self.add(Node::Global(global))
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Some(module), Some(name)) = (self.arena.text(module), self.arena.text(name))
                else {
                    return Err(self.wrong("names a class by what is no text"));
                };
                let global = self.classes.find(module, name)?;
                self.add(Node::Global(global))
            }
            // REDUCE, NEWOBJ, BUILD, BINPERSID
            b'R' => {
                let (arguments, callable) = (self.pop()?, self.pop()?);
                let result = call::call(&mut self.arena, callable, arguments, self.at)?;
                self.push(result)
            }
            0x81 => self.new_object(),
            b'b' => self.build(),
            b'Q' => {
                let id = self.pop()?;
                let storage = call::storage(&mut self.arena, id, self.at)?;
                self.push(storage)
            }
            code => Err(Damage::Instruction { code, at: self.at }),
        }
    }

    fn wrong(&self, wrong: &'static str) -> Damage {
        Damage::Pickle { at: self.at, wrong }
    }

    fn push(&mut self, value: Value) -> Result<(), Damage> {
        if self.stack.len() == MOST_STACK {
            return Err(Damage::Limit { of: "values on the pickle's stack", most: MOST_STACK });
        }
        self.stack.push(value);
        Ok(())
    }

    fn add(&mut self, node: Node) -> Result<(), Damage> {
        let value = self.arena.add(node)?;
        self.push(value)
    }

    /// Where the values above the last mark begin.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Value, Damage> {
        if self.stack.len() <= self.floor() {
            return Err(self.wrong("takes from an empty stack"));
        }
        self.stack.pop().ok_or(self.wrong("takes from an empty stack"))
    }

    fn top(&self) -> Result<Value, Damage> {
        self.stack[self.floor()..]
            .last()
            .copied()
            .ok_or_else(|| self.wrong("looks at an empty stack"))
    }

    /// POP: a value, or a mark that lies on top.
    fn discard(&mut self) -> Result<(), Damage> {
        if self.stack.len() == self.floor() && self.marks.pop().is_some() {
            return Ok(());
        }
        self.pop().map(drop)
    }

    fn mark(&mut self) -> Result<(), Damage> {
        if self.marks.len() == MOST_MARKS {
            return Err(Damage::Limit { of: "open brackets in the pickle", most: MOST_MARKS });
        }
        self.marks.push(self.stack.len());
        Ok(())
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Damage> {
        let start = self.marks.pop().ok_or(self.wrong("closes a bracket that is not open"))?;
        // Collected anew: a list must not keep the stack's whole capacity.
        Ok(self.stack.drain(start..).collect())
    }

    fn length4(&mut self) -> Result<u64, Damage> {
        Ok(u32::from_le_bytes(self.input.array()?).into())
    }

    fn length8(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_le_bytes(self.input.array()?))
    }

    /// A little-endian integer of any length; those beyond 64 bits are of no interest.
    fn integer(&mut self, size: u64) -> Result<(), Damage> {
        if size > 8 {
            return self.ignored(size);
        }
        let bytes = self.input.bytes(size)?;
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut number = [if negative { 0xFF } else { 0 }; 8];
        number[..bytes.len()].copy_from_slice(&bytes);
        self.push(Value::Int(i64::from_le_bytes(number)))
    }

    fn ignored(&mut self, size: u64) -> Result<(), Damage> {
        self.input.skip(size)?;
        self.push(Value::Ignored)
    }

    fn text(&mut self, size: u64) -> Result<(), Damage> {
        if size > MOST_TEXT {
            return self.ignored(size);
        }
        let bytes = self.input.bytes(size)?;
        let text =
            String::from_utf8(bytes).map_err(|_| self.wrong("has a text that is not UTF-8"))?;
        self.add(Node::Text(text.into()))
    }

    fn tuple(&mut self, length: usize) -> Result<(), Damage> {
        if self.stack.len() < self.floor() + length {
            return Err(self.wrong("takes from an empty stack"));
        }
        let members = self.stack.drain(self.stack.len() - length..).collect();
        self.arena.count(length)?;
        self.add(Node::Tuple(members))
    }

    fn append(&mut self, new: &[Value]) -> Result<(), Damage> {
        let list = self.top()?;
        self.arena.count(new.len())?;
        match self.arena.node_mut(list) {
            Some(Node::List(members)) => members.extend_from_slice(new),
            _ if list == Value::Ignored => {}
            _ => return Err(self.wrong("appends to what is no list")),
        }
        Ok(())
    }

    fn set_items(&mut self, new: &[Value]) -> Result<(), Damage> {
        let (pairs, rest) = new.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(self.wrong("sets a key without its value"));
        }
        let dictionary = self.top()?;
        self.arena.count(new.len())?;
        match self.arena.node_mut(dictionary) {
            Some(Node::Dictionary(members)) => {
                members.extend(pairs.iter().map(|[key, value]| (*key, *value)));
            }
            _ if dictionary == Value::Ignored => {}
            _ => return Err(self.wrong("sets items of what is no dictionary")),
        }
        Ok(())
    }

    fn remember(&mut self, index: usize) -> Result<(), Damage> {
        if index >= MOST_MEMO {
            return Err(Damage::Limit { of: "remembered values in the pickle", most: MOST_MEMO });
        }
        let value = self.top()?;
        if self.memo.len() <= index {
            self.memo.resize(index + 1, None);
        }
        self.memo[index] = Some(value);
        Ok(())
    }

    fn recall(&mut self, index: usize) -> Result<(), Damage> {
        let value = self.memo.get(index).copied().flatten();
        self.push(value.ok_or(self.wrong("recalls what was never remembered"))?)
    }

    /// `class.__new__(class, …)`: only TorchScript's own objects are made this way.
    fn new_object(&mut self) -> Result<(), Damage> {
        let (_arguments, class) = (self.pop()?, self.pop()?);
        match self.arena.node(class) {
            Some(Node::Global(Global::Module)) => {
                self.add(Node::Module { attributes: Value::None })
            }
            Some(Node::Global(Global::Dictionary)) => self.add(Node::Dictionary(Vec::new())),
            Some(Node::Global(Global::Ignored)) => self.push(Value::Ignored),
            _ => Err(self.wrong("makes an object of what is no class")),
        }
    }

    /// Gives a TorchScript object its attributes. What Python would hang on other values is of no
    /// interest: an `OrderedDict` carries the version of its modules.
    fn build(&mut self) -> Result<(), Damage> {
        let attributes = self.pop()?;
        let object = self.top()?;
        match self.arena.node_mut(object) {
            Some(Node::Module { attributes: slot }) => *slot = attributes,
            Some(Node::Dictionary(_) | Node::Tensor(_)) => {}
            _ if object == Value::Ignored => {}
            _ => return Err(self.wrong("gives attributes to what can have none")),
        }
        Ok(())
    }
}
