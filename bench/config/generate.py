"""A large configuration: routes, services and match rules, as YAML for weir and as nginx.conf.

Every host has ten routes by prefix; services have two endpoints.  Rules are spread over ten plugins, each of which
names routes and has one of four configurations.  `change` numbers a change: it shows in the answer of /marker."""


def hosts(routes):
    return max(1, routes // 10)


def yaml_text(port, upstream, module, routes, services, rules, change, mark="marker"):
    out = ["listeners:", f"  - 127.0.0.1:{port}", "services:"]
    for i in range(services):
        out += [f"  - name: service-{i}", "    endpoints:",
                f"      - address: {upstream}", f"      - address: {upstream}", "        weight: 2",
                f"    connectTimeout: {1000 + i % 7}ms"]
    out += ["routes:", f"  - name: {mark}", "    match:", "      hosts: [marker.example]", "    redirect:",
            f"      path: /change-{change}"]
    for i in range(routes - 1):
        out += [f"  - name: route-{i}", "    match:", f"      hosts: [host-{i // 10}.example, \"*.host-{i // 10}.example\"]",
                "      path:", f"        prefix: /part-{i % 10}/v1", "      methods: [GET, POST]",
                f"    service: service-{i % services}", "    rewrite:", f"      prefix: /v{change if i == 77 else 1}"]
    plugins = 10 if rules else 0
    if plugins:
        out.append("plugins:")
    for p in range(plugins):
        out += [f"  - name: plugin-{p}", f"    url: {module}", "    defaultConfigDisable: true", "    matchRules:"]
        for r in range(rules // plugins):
            i = (r * plugins + p) % max(1, routes - 1)
            out += [f"      - route: [route-{i}]" if r % 5 else f"      - domain: [host-{i}.example, \"*.only-{p}-{r}.example\"]",
                    "        config:", f"          header: x-rule-{r % 4}"]
    return "\n".join(out) + "\n"


def nginx_text(port, upstream, prefix, routes, services, workers, change):
    out = [f"worker_processes {workers};", f"pid {prefix}/nginx.pid;", f"error_log {prefix}/error.log warn;",
           "events { worker_connections 4096; }", "http {", "access_log off;",
           f"client_body_temp_path {prefix}/body; proxy_temp_path {prefix}/proxy;",
           "server_names_hash_max_size 65536; server_names_hash_bucket_size 128;",
           "map $http_upgrade $connection_upgrade { default upgrade; '' close; }"]
    for i in range(services):
        out += [f"upstream service-{i} {{ server {upstream}; server {upstream} weight=2; keepalive 32; }}"]
    out += [f"server {{ listen 127.0.0.1:{port}; server_name marker.example; location / {{ return 302 /change-{change}; }} }}"]
    by_host = {}
    for i in range(routes - 1):
        by_host.setdefault(i // 10, []).append(i)
    for h, members in by_host.items():
        out += [f"server {{ listen 127.0.0.1:{port}; server_name host-{h}.example *.host-{h}.example;"]
        for i in members:
            out += [f" location /part-{i % 10}/v1 {{ limit_except GET POST {{ deny all; }} proxy_http_version 1.1;"
                    f" proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection $connection_upgrade;"
                    f" proxy_pass http://service-{i % services}/v1; }}"]
        out += ["}"]
    return "\n".join(out) + "\n}\n"
