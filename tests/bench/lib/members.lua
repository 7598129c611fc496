-- wrk: PATCH /Groups/{id}, each request adds one member; at the end one line of JSON.
-- arguments after "--": FILE TOKEN   (a line of FILE: GROUP MEMBER)

local threads = {}
local groups, members, headers, at = {}, {}, nil, 0

local template = '{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],' ..
	'"Operations":[{"op":"add","path":"members","value":[{"value":"%s"}]}]}'

function setup(thread)
	thread:set("number", #threads)
	table.insert(threads, thread)
end

function init(args)
	headers = {
		Authorization = "Bearer " .. args[2],
		Accept = "application/scim+json",
		["Content-Type"] = "application/scim+json",
	}
	for line in io.lines(args[1]) do
		local group, member = line:match("(%S+) (%S+)")
		groups[#groups + 1], members[#members + 1] = group, member
	end
	at = number + 1 -- of two threads one takes the odd lines
end

function request()
	local i = (at - 1) % #groups + 1
	at = at + 2
	return wrk.format("PATCH", "/scim/v2/idp/Groups/" .. groups[i], headers,
		template:format(members[i]))
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'{"requests":%d,"us":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n',
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
		e.status, e.connect + e.read + e.write + e.timeout))
end
