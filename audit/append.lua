-- append(chain, first_seq, hash_before, records, increments): the only way records enter Redis.
--
-- All or nothing: everything is judged before the first write, and the writes that follow cannot
-- fail. So records, tip and figures always agree, and a call repeated after a lost answer does no
-- harm. The tip that is returned is the shipper's cursor.
--
-- KEYS  1 id, 2 tips, 3 days, then three for each day of the batch: log, day, min
-- ARGV  1 node id   2 chain   3 hash before the first record
--       4 "1": the first record is the oldest that the journal still has
--       5 number of records, then for each: day (1 is the first; 0: its day has passed
--         retention, only the tip moves over it), seq, hash, body
--       then to the end, for each increment: day, "day", "moved" or "min", field, value
--
-- Answers  {"stored", seq, hash, failed}  all stored, the tip moved; failed: increments refused
--          {"already", seq, hash}         the tip is this batch's end or behind it inside the batch
--          {"ahead", seq, hash}           the tip is beyond this batch
--          {"back", seq, hash}            the tip is behind the batch, or missing (0, "")
--          {"differs", seq, hash}         another hash at the same seq: never stored, an alarm
--          {"other", id}                  the node's name belongs to another node id
--          {"bound"}                      no records were sent: the name is bound to the id
-- But for "stored" and "bound" nothing was written.

local node_id, chain, hash_before, oldest = ARGV[1], ARGV[2], ARGV[3], ARGV[4] == '1'
local n = tonumber(ARGV[5])
local WIDTH, HEAD = 4, 5

local id = redis.call('GET', KEYS[1])
if id and id ~= node_id then
	return {'other', id}
end
if n == 0 then
	if not id then
		redis.call('SET', KEYS[1], node_id)
	end
	return {'bound'}
end

local function record(i) -- day, seq, hash, body
	local at = HEAD + (i - 1) * WIDTH
	return ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
end

local _, first_text = record(1)
local _, last_text, last_hash = record(n)
local first, last = tonumber(first_text), tonumber(last_text)

-- 1. Does it fit behind the tip?
local tip = redis.call('HGET', KEYS[2], chain)
if not tip then
	if first ~= 1 and not oldest then
		return {'back', '0', ''}
	end
else
	local tip_text, tip_hash = string.match(tip, '^(%d+):(%x+)$')
	if not tip_text then
		return redis.error_reply('STILE the tip of chain ' .. chain .. ' is not seq:hash')
	end
	local at = tonumber(tip_text)
	if at < first - 1 then
		return {'back', tip_text, tip_hash}
	elseif at > last then
		return {'ahead', tip_text, tip_hash}
	end
	local ours = hash_before
	if at >= first then
		local _
		_, _, ours = record(at - first + 1)
	end
	if ours ~= tip_hash then
		return {'differs', tip_text, tip_hash}
	elseif at >= first then
		return {'already', tip_text, tip_hash}
	end
end

-- 2. Could a write fail? A script is not rolled back.
local types = {'stream', 'hash', 'hash'}
for k = 3, #KEYS do
	local is, want = redis.call('TYPE', KEYS[k]).ok, k == 3 and 'zset' or types[(k - 4) % 3 + 1]
	if is ~= 'none' and is ~= want then
		return redis.error_reply('STILE ' .. KEYS[k] .. ' holds a ' .. is .. ', not a ' .. want)
	end
end

-- 3. Store.
if not id then
	redis.call('SET', KEYS[1], node_id)
end

local call = redis.call
local function keys_of(kind) -- by day; the first time lists it in days, by which retention finds it
	return setmetatable({}, {__index = function(known, day)
		local key = KEYS[day * 3 + kind]
		call('ZADD', KEYS[3], 0, string.match(key, '(%a+:[%d-]+)$'))
		known[day] = key
		return key
	end})
end
local log_key, day_key, min_key = keys_of(1), keys_of(2), keys_of(3)

for at = HEAD + 1, HEAD + n * WIDTH, WIDTH do
	local day = ARGV[at]
	if day ~= '0' then
		call('XADD', log_key[day], '*', 'c', chain, 's', ARGV[at + 1], 'h', ARGV[at + 2], 'b', ARGV[at + 3])
	end
end

local failed = 0
local function count(key, field, add) -- refused where somebody else wrote a text there, or past 2^63: the records stay
	local done = redis.pcall('HINCRBY', key, field, add)
	if type(done) == 'table' and done.err then
		failed = failed + 1
	end
end

local function three(text)
	return string.match(text, '^(%d+),(%d+),(%d+)$')
end

-- "up,down,tunnels": each is added to that which is there; refused past what is exact here.
local function add_moved(key, field, value)
	local a, b, c = three(call('HGET', key, field) or '0,0,0')
	local up, down, tunnels = three(value)
	if a and up and a + up < 2^53 and b + down < 2^53 and c + tunnels < 2^53 then
		call('HSET', key, field, string.format('%.0f,%.0f,%.0f', a + up, b + down, c + tunnels))
	else
		failed = failed + 1
	end
end

-- A user of Redis made by an earlier version may only count there: three counters, as that version had them.
local function count_moved(key, field, value)
	local who, up, down, tunnels = string.match(field, '^%["moved"(.*)$'), three(value)
	for metric, add in pairs({up = up, down = down, tunnels = tunnels}) do
		if add ~= '0' then
			count(key, '["' .. metric .. '"' .. who, add)
		end
	end
end

local moved_of = setmetatable({}, {__index = function(known, key)
	local may = redis.acl_check_cmd('HGET', key, '') and redis.acl_check_cmd('HSET', key, '', '')
	known[key] = may and add_moved or count_moved
	return known[key]
end})

for at = HEAD + n * WIDTH + 1, #ARGV, WIDTH do
	local day, hash, field, value = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
	if hash == 'day' then
		count(day_key[day], field, value)
	elseif hash == 'moved' then
		local key = day_key[day]
		moved_of[key](key, field, value)
	else
		local key = min_key[day]
		call('HSET', key, field, (call('HGET', key, field) or '') .. value)
	end
end

call('HSET', KEYS[2], chain, last_text .. ':' .. last_hash)
return {'stored', last_text, last_hash, failed}
