-- What scripts see. Runs once in each new interpreter; `host` holds the functions that are written in
-- Rust, `is_library` tells whether the interpreter runs functions of libraries or scripts of EVAL.
--
-- An error that Rust raises is a value that scripts know nothing of. `host.error_value` turns it into
-- what it stands for, wherever a script gets to see one.
local host, is_library = ...

local collectgarbage, error, getmetatable, loadstring, next, pairs, pcall, rawget, rawset, select, setmetatable, tonumber, tostring, type, unpack, xpcall =
    collectgarbage, error, getmetatable, loadstring, next, pairs, pcall, rawget, rawset, select, setmetatable, tonumber, tostring, type, unpack, xpcall
local resume, gsub = coroutine.resume, string.gsub

-- Tables that scripts may only read are empty ones that stand for the real ones. Functions that would
-- see the difference are replaced below. (Lua 5.1 has no read-only tables.)
local real = {}
local READONLY = "Attempt to modify a readonly table"

local function refuse()
    error(READONLY, 2)
end

local function refuse_argument()
    error(READONLY, 0)
end

local function readonly(of)
    local proxy = setmetatable({}, {__index = of, __newindex = refuse, __metatable = false})
    real[proxy] = of
    return proxy
end

local function missing(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
end

-- ---- errors

-- Raised by what is written here in the name of the table `redis`.
local function fail(text)
    error({err = "ERR " .. text})
end

local function visible(err)
    if type(err) == "userdata" then
        return host.error_value(err)
    elseif type(err) == "string" then
        -- Where it was raised in here means nothing to a script.
        return (gsub(err, "^prelude:%d+: ", ""))
    end
    return err
end

-- Runs where an uncaught error was raised, while the stack is still there.
local function on_error(err)
    host.interrupt_rarely()
    err = visible(err)
    if type(err) ~= "table" or real[err] then
        err = {err = "ERR " .. tostring(err)}
    end
    local source, line = host.position()
    if source then
        rawset(err, "source", source)
        rawset(err, "line", line)
    end
    return err
end

-- COMPAT: `pcall` gives the text of an error, even if it was raised as a table.
local function caught(ok, err, ...)
    if ok then
        return true, err, ...
    end
    err = visible(err)
    local text = type(err) == "table" and err.err
    return false, type(text) == "string" and text or err
end

local function resumed(ok, err, ...)
    if ok then
        return true, err, ...
    end
    return false, visible(err)
end

-- ---- the table `redis`

local redis = {
    LOG_DEBUG = 0,
    LOG_VERBOSE = 1,
    LOG_NOTICE = 2,
    LOG_WARNING = 3,
    REPL_NONE = 0,
    REPL_AOF = 1,
    REPL_REPLICA = 2,
    REPL_SLAVE = 2,
    REPL_ALL = 3,
    REDIS_VERSION = host.version,
    REDIS_VERSION_NUM = host.version_number,
    call = host.call,
    pcall = host.pcall,
    log = host.log,
    setresp = host.setresp,
    set_repl = host.set_repl,
    sha1hex = host.sha1hex,
    acl_check_cmd = host.acl_check_cmd,
}

local WRONG_ARGUMENTS = "ERR wrong number or type of arguments"

function redis.error_reply(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
        return {err = WRONG_ARGUMENTS}
    end
    return {err = host.error_text(text)}
end

function redis.status_reply(...)
    local text = ...
    if select("#", ...) ~= 1 or type(text) ~= "string" then
        return {err = WRONG_ARGUMENTS}
    end
    return {ok = text}
end

if not is_library then
    -- What scripts do is always replicated as its effects.
    function redis.replicate_commands()
        return true
    end

    -- Both are there if the script is debugged.
    redis.breakpoint = host.breakpoint or function()
        return false
    end
    redis.debug = host.debug or function()
    end
end

-- ---- what is global

local function copy(from, names)
    local to = {}
    for name in names:gmatch("[^ ]+") do
        to[name] = from[name]
    end
    return to
end

local globals = copy(_G, "_VERSION assert coroutine error gcinfo ipairs math rawequal select string "
    .. "table tonumber tostring type xpcall")
globals.redis = redis
globals.os = {clock = os.clock}
globals.coroutine.resume = function(...)
    return resumed(resume(...))
end
globals.math.random = host.random
globals.math.randomseed = host.randomseed
globals.bit = host.bit
globals.struct = host.struct
globals.cmsgpack = host.cmsgpack

local function new_cjson()
    local cjson = host.cjson()
    cjson.new = new_cjson
    return cjson
end
globals.cjson = new_cjson()

-- Scripts share the collector, so how it works is not for one of them to choose.
function globals.collectgarbage(what, ...)
    if what == "stop" or what == "restart" or what == "setpause" or what == "setstepmul" then
        return 0
    end
    return collectgarbage(what, ...)
end

function globals.pcall(...)
    return caught(pcall(...))
end

function globals.xpcall(f, handler)
    return xpcall(f, function(err)
        return handler(visible(err))
    end)
end

function globals.getmetatable(of)
    return getmetatable(of) or nil
end

function globals.setmetatable(of, metatable)
    if real[of] then
        refuse_argument()
    end
    return setmetatable(of, metatable)
end

function globals.rawset(of, key, value)
    if real[of] then
        refuse_argument()
    end
    return rawset(of, key, value)
end

-- An argument that must be a table, complained of as if these functions were not replaced.
local function behind_or_fail(of, name)
    if type(of) ~= "table" then
        error("bad argument #1 to '" .. name .. "' (table expected, got " .. type(of) .. ")", 3)
    end
    return real[of] or of
end

for _, name in ipairs({"insert", "remove", "setn", "sort"}) do
    local change = table[name]
    globals.table[name] = function(of, ...)
        if real[of] or type(of) ~= "table" then
            behind_or_fail(of, name)
            refuse_argument()
        end
        return change(of, ...)
    end
end

function globals.rawget(of, key)
    return (rawget(behind_or_fail(of, "rawget"), key))
end

-- Lua counts the values in 32 bits, and would write beyond its stack where that is not enough. What its stack holds
-- has to hold the arguments, too.
local STACK_MAX, INT_MAX = 8000, 2 ^ 31

function globals.unpack(of, first, last)
    of = behind_or_fail(of, "unpack")
    if first == nil and last == nil then
        if #of + 1 > STACK_MAX then
            error("too many results to unpack", 2)
        end
        return unpack(of)
    end
    local from, to = tonumber(first) or 1, tonumber(last) or #of
    local fits = from >= -INT_MAX and from < INT_MAX and to >= -INT_MAX and to < INT_MAX
    if not (fits and to - from + 1 + 3 <= STACK_MAX) then
        error("too many results to unpack", 2)
    end
    return unpack(of, first, last)
end

function globals.next(of, key)
    return next(behind_or_fail(of, "next"), key)
end

function globals.pairs(of)
    local behind = behind_or_fail(of, "pairs")
    if behind == of then
        return next, of
    end
    return function(_, key)
        return next(behind, key)
    end, of
end

-- Compiled chunks can break the interpreter, so only texts are loaded.
function globals.loadstring(text, name)
    text = tostring(text)
    if text:byte() == 27 then
        return nil, "attempt to load a compiled chunk"
    end
    return loadstring(text, name or text)
end

function globals.load(reader, name)
    local pieces = {}
    for piece in reader do
        if piece == "" then
            break
        end
        pieces[#pieces + 1] = piece
    end
    return globals.loadstring(table.concat(pieces), name or "=(load)")
end

for name, value in pairs(globals) do
    if type(value) == "table" then
        globals[name] = readonly(value)
    end
end
getmetatable("").__metatable = globals.string
setmetatable(globals, {__index = missing})

-- ---- registering functions

-- Each is {name, callback, description, flags}; nil but while a library is loaded.
local registered

local function register(name, callback, description, flags)
    if not name:find("^[%w_]+$") then
        fail("Library names can only contain letters, numbers, or underscores(_) and must be at least one character long")
    end
    for _, other in ipairs(registered) do
        if other[1] == name then
            fail("Function already exists in the library")
        end
    end
    registered[#registered + 1] = {name, callback, description, flags}
end

local function text_or_fail(value, what)
    if type(value) ~= "string" and type(value) ~= "number" then
        fail(what .. " argument given to redis.register_function must be a string")
    end
    return tostring(value)
end

local function register_named(arguments)
    local name, callback, description
    local flags = {}
    for key, value in pairs(arguments) do
        if type(key) ~= "string" then
            fail("named argument key given to redis.register_function is not a string")
        elseif key == "function_name" then
            name = text_or_fail(value, key)
        elseif key == "description" then
            description = text_or_fail(value, key)
        elseif key == "callback" then
            if type(value) ~= "function" then
                fail("callback argument given to redis.register_function must be a function")
            end
            callback = value
        elseif key == "flags" then
            if type(value) ~= "table" then
                fail("flags argument to redis.register_function must be a table representing function flags")
            end
            for _, flag in ipairs(value) do
                if type(flag) ~= "string" or not host.is_flag(flag) then
                    fail("unknown flag given")
                end
                flags[#flags + 1] = flag
            end
        else
            fail("unknown argument given to redis.register_function")
        end
    end
    if not name then
        fail("redis.register_function must get a function name argument")
    elseif not callback then
        fail("redis.register_function must get a callback argument")
    end
    register(name, callback, description, flags)
end

local function register_function(...)
    local count = select("#", ...)
    local name, callback = ...
    if not registered then
        fail("redis.register_function can only be called on FUNCTION LOAD command")
    elseif count < 1 or count > 2 then
        fail("wrong number of arguments to redis.register_function")
    elseif count == 1 then
        if type(name) ~= "table" then
            fail("calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).")
        end
        return register_named(name)
    elseif type(name) ~= "string" and type(name) ~= "number" then
        fail("first argument to redis.register_function must be a string")
    elseif type(callback) ~= "function" then
        fail("second argument to redis.register_function must be a function")
    end
    register(tostring(name), callback, nil, {})
end

-- While a library is loaded there is next to nothing to be reached.
local while_loading = setmetatable(copy(redis, "LOG_DEBUG LOG_VERBOSE LOG_NOTICE LOG_WARNING REDIS_VERSION REDIS_VERSION_NUM log"), {__index = missing})
while_loading.register_function = register_function
while_loading = setmetatable({redis = readonly(while_loading)}, {__index = missing})

-- ---- the environment of all that scripts define

local metatable = {__index = globals, __newindex = refuse, __metatable = readonly({__index = missing})}
local environment = setmetatable({}, metatable)
real[environment] = globals
globals._G = environment

-- ---- what Rust calls

local function load_library(chunk)
    registered = {}
    metatable.__index = while_loading
    local ok, err = xpcall(chunk, on_error)
    metatable.__index = globals
    local all = registered
    registered = nil
    return ok, err, all
end

-- All that can be run, by the number of its slot.
local runnable = {}

local code, first, second

local function start()
    return code(first, second)
end

local function call_function(slot, keys, arguments)
    code, first, second = runnable[slot], keys, arguments
    return xpcall(start, on_error)
end

local function run_script(slot, keys, arguments)
    globals.KEYS = keys
    globals.ARGV = arguments
    return xpcall(runnable[slot], on_error)
end

return environment, runnable, run_script, call_function, load_library
