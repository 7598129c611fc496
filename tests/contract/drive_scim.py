"""Every endpoint of the provisioning directory once, with success; refusals too."""

KEY = "rehearsal-scim-key"
BASE = "/scim/directory/00000000-0000-4000-8000-00005c130001/"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"


def user(address, **more):
    return dict({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": address,
                 "emails": [{"value": address, "type": "work", "primary": True}], "active": True}, **more)


def patch(*operations):
    return {"schemas": [PATCH], "Operations": list(operations)}


def scim_read(org, kind):
    return org.request("GET", BASE + kind, key=KEY)


def scim(drive, want):
    org = drive.org

    def ask(method, path, body=None, key=KEY):
        return org.request(method, BASE + path, body=body, key=key)

    domain = drive.of("ordinary")["email"].split("@")[1]
    want(ask("GET", "ServiceProviderConfig"), 200)
    want(ask("GET", "Users", key="wrong"), 401)
    want(org.request("GET", "/scim/directory/none/Users", key=KEY), 404)
    made = want(ask("POST", "Users", user(
        "joan@" + domain, externalId="e1", displayName="Joan", title="Clerk",
        name={"givenName": "Joan", "familyName": "Doe"},
        **{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Sales"}})), 201).body
    want(ask("POST", "Users", user("joan@" + domain)), 409)
    want(ask("POST", "Users", user("joan@elsewhere.example")), 400)
    want(ask("POST", "Users", user(drive.of("ordinary")["email"])), 201)  # linked
    want(ask("GET", "Users?filter=userName%20eq%20%22joan%40" + domain + "%22"), 200)
    want(ask("GET", "Users?filter=title%20eq%20%22Clerk%22"), 400)
    want(ask("GET", "Users?startIndex=2&count=1"), 200)
    want(ask("GET", "Users/" + made["id"]), 200)
    want(ask("GET", "Users/none"), 404)
    one = "Users/" + made["id"]
    want(ask("PATCH", one, patch({"op": "replace", "path": "title", "value": "Boss"})), 200)
    want(ask("PATCH", one, patch({"op": "replace", "path": "active", "value": False})), 200)
    want(ask("PATCH", one, patch({"op": "replace", "path": "id", "value": "x"})), 400)
    group = want(ask("POST", "Groups", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
                                        "displayName": "pushed"}), 201).body
    want(ask("POST", "Groups", {"displayName": "pushed"}), 409)
    want(ask("GET", "Groups"), 200)
    want(ask("GET", "Groups?filter=displayName%20eq%20%22pushed%22"), 200)
    want(ask("GET", "Groups/" + group["id"]), 200)
    for op in ("add", "remove"):
        want(ask("PATCH", "Groups/" + group["id"],
                 patch({"op": op, "path": "members", "value": [{"value": made["id"]}]})), 200)
    want(ask("PATCH", "Groups/" + group["id"],
             patch({"op": "replace", "path": "displayName", "value": "other"})), 400)
    want(ask("DELETE", one), 204)
    want(ask("DELETE", one), 404)
