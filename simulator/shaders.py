"""The GLSL programs of the renderer: a deferred pipeline.

Geometry writes albedo, normals and image velocity (``*_GEOMETRY``); ambient occlusion
and four to six shadow-mapped lamps are worked out once per pixel (``LIGHTING``); what
moves is smeared along its velocity (``SMEAR``). Pictures are rendered top row first.
"""

from __future__ import annotations

BONES = 48
MAX_LAMPS = 6

SKINNING = f"""#version 330
uniform vec4 bones[{BONES * 3}]; uniform vec4 past[{BONES * 3}];
in vec3 rest; in vec3 rest_normal; in vec4 bone; in vec4 weight;
out vec3 place; out vec3 normal; out vec3 before;
void main() {{
  vec3 p = vec3(0), n = vec3(0), b = vec3(0); vec4 r = vec4(rest, 1);
  for (int i = 0; i < 4; i++) {{
    int k = int(bone[i] + 0.5) * 3; float w = weight[i];
    p += w * vec3(dot(bones[k], r), dot(bones[k + 1], r), dot(bones[k + 2], r));
    b += w * vec3(dot(past[k], r), dot(past[k + 1], r), dot(past[k + 2], r));
    n += w * vec3(dot(bones[k].xyz, rest_normal), dot(bones[k + 1].xyz, rest_normal), dot(bones[k + 2].xyz, rest_normal));
  }}
  place = p; normal = n; before = b;
}}"""

_TARGETS = """
layout(location=0) out vec4 albedo; layout(location=1) out vec4 facing; layout(location=2) out vec2 velocity;
"""

STATIC_VERTEX = """#version 330
uniform mat4 clip; in vec3 position; in vec3 normal; in vec2 uv; in vec4 paint; in float layer; in vec4 stand;
out vec3 v_normal; out vec3 v_uv; out vec4 v_paint;
void main() {
  float c = cos(stand.w), s = sin(stand.w); mat3 turn = mat3(c, s, 0, -s, c, 0, 0, 0, 1);
  v_normal = turn * normal; v_uv = vec3(uv, layer); v_paint = paint;
  gl_Position = clip * vec4(turn * position + stand.xyz, 1);
}"""

STATIC_GEOMETRY = f"""#version 330
uniform sampler2DArray cells; in vec3 v_normal; in vec3 v_uv; in vec4 v_paint; {_TARGETS}
void main() {{
  vec3 n = normalize(v_normal);
  albedo = vec4(texture(cells, v_uv).rgb * v_paint.rgb, v_paint.a);
  facing = vec4(n * 0.5 + 0.5, 0); velocity = vec2(0);
}}"""

ITEM_VERTEX = """#version 330
uniform mat4 clip; uniform mat4 model; uniform mat4 model_before; uniform vec2 half_px;
in vec3 position; in vec3 normal; in vec2 uv; in float layer;
out vec3 v_normal; out vec3 v_uv; out vec4 v_now; out vec4 v_before;
void main() {
  v_normal = mat3(model) * normal; v_uv = vec3(uv, layer);
  gl_Position = clip * (model * vec4(position, 1)); v_now = gl_Position; v_before = clip * (model_before * vec4(position, 1));
}"""

ITEM_GEOMETRY = f"""#version 330
uniform sampler2DArray cells; uniform vec2 half_px; uniform float gloss;
in vec3 v_normal; in vec3 v_uv; in vec4 v_now; in vec4 v_before; {_TARGETS}
void main() {{
  albedo = vec4(texture(cells, v_uv).rgb, gloss); facing = vec4(normalize(v_normal) * 0.5 + 0.5, 0);
  velocity = (v_now.xy / v_now.w - v_before.xy / v_before.w) * half_px;
}}"""

BODY_VERTEX = """#version 330
uniform mat4 clip; in vec3 place; in vec3 normal; in vec3 before; in vec3 rest; in vec3 colour; in vec2 surface;
out vec3 v_normal; out vec3 v_rest; out vec3 v_colour; out vec2 v_surface; out vec4 v_now; out vec4 v_before;
void main() {
  v_normal = normal; v_rest = rest; v_colour = colour; v_surface = surface;
  gl_Position = clip * vec4(place, 1); v_now = gl_Position; v_before = clip * vec4(before, 1);
}"""

# Patterns are painted from the rest position, so they neither swim nor mirror on the back.
BODY_GEOMETRY = f"""#version 330
uniform sampler2DArray cells; uniform float cloth_layer; uniform vec3 second; uniform float row; uniform vec2 half_px;
in vec3 v_normal; in vec3 v_rest; in vec3 v_colour; in vec2 v_surface; in vec4 v_now; in vec4 v_before; {_TARGETS}
void main() {{
  vec3 c = v_colour; int pattern = int(v_surface.x + 0.5); vec3 q = v_rest;
  float weave = texture(cells, vec3(q.x * 1.7 + q.y * 0.9, q.z * 1.7, cloth_layer)).r;
  if (v_surface.y < 0.12) c *= mix(1.0, weave, 0.8) * 1.06;
  if (pattern == 1) c = mix(c, second * weave, step(0.5, fract(q.z * 14.0)));
  if (pattern == 2) c = mix(c, second * weave, 0.45 * step(0.66, fract(q.z * 11.0)) + 0.45 * step(0.66, fract(q.x * 11.0)));
  if (pattern == 3 && q.y < 0.0 && abs(q.x) < 0.11 && abs(q.z - 1.28) < 0.06) c = mix(second, c, 0.6 * step(0.55, fract(q.x * 24.0)));
  if (pattern == 4) c = mix(c, second * weave, step(length(fract(vec2(q.x + q.y * 0.4, q.z) * 13.0) - 0.5), 0.22));
  if (pattern == 5) c *= 0.92 + 0.25 * exp(-pow((abs(q.x) - 0.12) / 0.05, 2.0)) - 0.12 * step(0.985, fract(q.x * 4.0));
  albedo = vec4(c, v_surface.y); facing = vec4(normalize(v_normal) * 0.5 + 0.5, row / 255.0);
  velocity = (v_now.xy / v_now.w - v_before.xy / v_before.w) * half_px;
}}"""

DEPTH_ONLY = """#version 330
void main() {}"""

STATIC_DEPTH = """#version 330
uniform mat4 clip; in vec3 position; in vec4 stand;
void main() {
  float c = cos(stand.w), s = sin(stand.w); mat3 turn = mat3(c, s, 0, -s, c, 0, 0, 0, 1);
  gl_Position = clip * vec4(turn * position + stand.xyz, 1);
}"""

ITEM_DEPTH = """#version 330
uniform mat4 clip; uniform mat4 model; in vec3 position; void main() { gl_Position = clip * (model * vec4(position, 1)); }"""

BODY_DEPTH = """#version 330
uniform mat4 clip; in vec3 place; void main() { gl_Position = clip * vec4(place, 1); }"""

WHITE = """#version 330
out vec4 colour; void main() { colour = vec4(1); }"""

QUAD = """#version 330
in vec2 corner; out vec2 at; void main() { at = corner * 0.5 + 0.5; gl_Position = vec4(corner, 0, 1); }"""

RESTORE = f"""#version 330
uniform sampler2D from_albedo, from_facing, from_depth; in vec2 at; {_TARGETS}
void main() {{
  albedo = texture(from_albedo, at); facing = texture(from_facing, at); velocity = vec2(0);
  gl_FragDepth = texture(from_depth, at).r;
}}"""

COPY_DEPTH = """#version 330
uniform sampler2D from_depth; in vec2 at; void main() { gl_FragDepth = texture(from_depth, at).r; }"""

_PLACE = """
vec3 place(vec2 u, float d) { vec4 q = unclip * vec4(u * 2.0 - 1.0, d * 2.0 - 1.0, 1); return q.xyz / q.w; }
"""

OCCLUSION = f"""#version 330
uniform sampler2D depth, facing; uniform mat4 unclip; uniform vec3 eye; uniform vec2 focal; in vec2 at; out float shade;
{_PLACE}
void main() {{
  vec3 c = place(at, texture(depth, at).r); vec3 n = normalize(texture(facing, at).xyz * 2.0 - 1.0);
  if (dot(n, eye - c) < 0.0) n = -n;
  float away = distance(eye, c); float turn = fract(sin(dot(gl_FragCoord.xy, vec2(12.9898, 78.233))) * 43758.5) * 6.28;
  const float R = 0.22; vec2 reach = R * focal / away; float dark = 0.0;
  for (int i = 0; i < 8; i++) {{
    float f = (float(i) + 0.5) / 8.0, a = turn + float(i) * 2.4;
    vec2 u = at + vec2(cos(a), sin(a)) * reach * f;
    vec3 d = place(u, texture(depth, u).r) - c; float l = length(d) + 1e-5;
    dark += max(0.0, dot(n, d) / l - 0.12) * smoothstep(R * 1.6, R * 0.4, l);
  }}
  shade = clamp(1.0 - dark / 8.0 * 1.9, 0.0, 1.0);
}}"""

SOFTEN = """#version 330
uniform sampler2D shade, depth; uniform vec2 step_uv; in vec2 at; out float soft;
void main() {
  float z = texture(depth, at).r, sum = 0.0, weight = 0.0;
  for (int i = -1; i <= 2; i++) for (int j = -1; j <= 2; j++) {
    vec2 u = at + (vec2(i, j) - 0.5) * step_uv; float w = exp(-abs(texture(depth, u).r - z) * 900.0);
    sum += texture(shade, u).r * w; weight += w;
  }
  soft = sum / max(weight, 1e-4);
}"""

LIGHTING = f"""#version 330
uniform sampler2D albedo, facing, depth, shade; uniform sampler2DShadow shadows;
uniform mat4 unclip; uniform vec3 eye; uniform int lamps; uniform mat4 lamp_clip[{MAX_LAMPS}]; uniform vec3 lamp[{MAX_LAMPS}];
uniform float lamp_gain[{MAX_LAMPS}]; uniform vec3 lamp_colour; uniform float ambient; uniform float exposure; uniform vec2 tiles;
in vec2 at; out vec4 lit;
{_PLACE}
float open(int k, vec3 p, float turn) {{
  vec4 q = lamp_clip[k] * vec4(p, 1); if (q.w <= 0.0) return 1.0;
  vec3 a = q.xyz / q.w * 0.5 + 0.5;
  if (any(lessThan(a.xy, vec2(0.004))) || any(greaterThan(a.xy, vec2(0.996))) || a.z > 1.0) return 1.0;
  vec2 tile = vec2(float(k % 3), float(k / 3)); float sum = 0.0;
  for (int i = 0; i < 4; i++) {{
    float f = sqrt((float(i) + 0.5) / 4.0), t = turn + float(i) * 2.4;
    vec2 u = clamp(a.xy + vec2(cos(t), sin(t)) * f * 0.0045, vec2(0.002), vec2(0.998));
    sum += texture(shadows, vec3((tile + u) / tiles, a.z - 0.0007));
  }}
  return sum / 4.0;
}}
void main() {{
  vec4 paint = texture(albedo, at), side = texture(facing, at); vec3 p = place(at, texture(depth, at).r);
  vec3 n = normalize(side.xyz * 2.0 - 1.0), view = normalize(eye - p); if (dot(n, view) < 0.0) n = -n;
  vec3 base = pow(paint.rgb, vec3(2.2)); float gloss = paint.a; float a = texture(shade, at).r;
  float turn = fract(sin(dot(gl_FragCoord.xy, vec2(12.9898, 78.233))) * 43758.5) * 6.28;
  vec3 sum = base * mix(vec3(0.15, 0.142, 0.135), vec3(0.19, 0.195, 0.20), n.z * 0.5 + 0.5) * ambient * a;
  for (int k = 0; k < lamps; k++) {{
    vec3 d = lamp[k] - p; float d2 = dot(d, d); vec3 l = d * inversesqrt(d2);
    float power = 4.2 * max(l.z, 0.0) / (d2 + 0.6) * lamp_gain[k]; float slope = max(dot(n, l), 0.0);
    if (power * slope < 0.004) continue;
    vec3 light = lamp_colour * power * open(k, p + n * 0.03, turn);
    sum += base * light * slope * mix(1.0, a, 0.5);
    sum += light * pow(max(dot(n, normalize(l + view)), 0.0), mix(8.0, 90.0, gloss)) * gloss * 0.35 * step(gloss, 0.99);
  }}
  if (gloss > 0.99) sum = vec3(1.5);
  sum *= 1.25 * exposure; sum = sum * (2.51 * sum + 0.03) / (sum * (2.43 * sum + 0.59) + 0.14);
  lit = vec4(pow(clamp(sum, 0.0, 1.0), vec3(1.0 / 2.2)), side.a);
}}"""

# A pixel is smeared along the fastest movement near it, so outlines soften as well.
SMEAR = """#version 330
uniform sampler2D lit, velocity; uniform vec2 size; uniform float reach; in vec2 at; out vec4 smeared;
void main() {
  vec2 v = texture(velocity, at).xy; vec4 here = texture(lit, at);
  for (int i = 0; i < 8; i++) {
    float t = float(i) * 0.785; vec2 o = texture(velocity, at + vec2(cos(t), sin(t)) * reach / size).xy;
    if (dot(o, o) > dot(v, v)) v = o;
  }
  vec3 sum = vec3(0);
  for (int i = 0; i < 7; i++) sum += texture(lit, at + v * (float(i) / 6.0 - 0.5) / size).rgb;
  smeared = vec4(sum / 7.0, here.a);
}"""
