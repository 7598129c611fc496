-- wrk: POST /Users, each request another person; at the end one line of JSON.
-- arguments after "--": PATH TOKEN RUN   (RUN makes names of one run differ from the next's)

local threads = {}
local path, headers, run
local n = 0

local template = '{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User",' ..
	'"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],' ..
	'"externalId":"e%s","userName":"User%s@example.test",' ..
	'"name":{"givenName":"Given%s","familyName":"Family%s"},' ..
	'"displayName":"Given%s Family%s","title":"Engineer",' ..
	'"emails":[{"value":"user%s@example.test","type":"work","primary":true}],"active":true,' ..
	'"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":' ..
	'{"employeeNumber":"%s","department":"Department 7"}}'

function setup(thread)
	thread:set("number", #threads)
	table.insert(threads, thread)
end

function init(args)
	path, run = args[1], args[3]
	headers = {
		Authorization = "Bearer " .. args[2],
		Accept = "application/scim+json",
		["Content-Type"] = "application/scim+json",
	}
end

function request()
	n = n + 1
	local id = run .. "-" .. number .. "-" .. n
	return wrk.format("POST", path, headers, (template:gsub("%%s", id)))
end

function done(summary, latency)
	local e = summary.errors
	io.write(string.format(
		'{"requests":%d,"us":%d,"p50":%d,"p99":%d,"refused":%d,"broken":%d}\n',
		summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
		e.status, e.connect + e.read + e.write + e.timeout))
end
