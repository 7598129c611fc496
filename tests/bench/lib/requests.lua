-- wrk: sends the requests of a file, one path a line, in turn; at the end one line of JSON.
-- arguments after "--": FILE TOKEN

local threads = {}
local requests, at = {}, 0

function setup(thread)
	thread:set("number", #threads)
	table.insert(threads, thread)
end

function init(args)
	local headers = { Authorization = "Bearer " .. args[2], Accept = "application/scim+json" }
	for path in io.lines(args[1]) do
		requests[#requests + 1] = wrk.format("GET", path, headers)
	end
	at = math.floor(#requests / 4) * number -- each thread begins elsewhere
end

function request()
	at = at % #requests + 1
	return requests[at]
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'{"requests":%d,"us":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n',
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
		e.status, e.connect + e.read + e.write + e.timeout))
end
