{# Schemas are named as they are, without a prefix of the target: readers' grants and queries depend on them. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
{{ custom_schema_name or target.schema }}
{%- endmacro %}
