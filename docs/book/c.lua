-- Reads C well enough to colour it: a line of code becomes a list of tokens
-- {kind, text}. The kinds are comment, string, number, keyword, type,
-- directive, name and text.
local c = {}

local function set(words)
    local is = {}
    for word in words:gmatch('%S+') do is[word] = true end
    return is
end

local keywords = set [[
auto break case const continue default do else enum extern for goto if inline
register restrict return sizeof static struct switch typedef union volatile
while _Alignas _Alignof _Atomic _Generic _Noreturn _Static_assert
_Thread_local alignas alignof static_assert]]

local types = set [[
bool char double float int long short signed unsigned void size_t ssize_t
ptrdiff_t intptr_t uintptr_t int8_t int16_t int32_t int64_t uint8_t uint16_t
uint32_t uint64_t FILE va_list off_t]]

-- Where the string or character that opens at `from` ends.
local function close_quote(line, from)
    local quote, i = line:sub(from, from), from + 1
    while i <= #line do
        local ch = line:sub(i, i)
        if ch == '\\' then i = i + 1
        elseif ch == quote then return i end
        i = i + 1
    end
    return #line
end

-- The tokens of a line; `inside` says that it starts within a /* comment.
-- The second result says that it ends in one.
local function tokens_of_line(line, inside)
    local tokens, at = {}, 1
    local function take(kind, last)
        local text, top = line:sub(at, last), tokens[#tokens]
        if top and top.kind == kind and kind == 'text' then
            top.text = top.text .. text
        else
            tokens[#tokens + 1] = {kind = kind, text = text}
        end
        at = last + 1
    end
    local directive = not inside and line:match('^%s*#%s*(%a+)')
    if directive then
        take('directive', select(2, line:find('^%s*#%s*%a+')))
        if directive == 'pragma' or directive == 'error' then
            if at <= #line then take('directive', #line) end
        end
    end
    while at <= #line do
        local rest = line:sub(at)
        if inside or rest:find('^/%*') then
            local from = inside and at or at + 2
            local _, last = line:find('*/', from, true)
            inside = not last
            take('comment', last or #line)
        elseif rest:find('^//') then
            take('comment', #line)
        elseif rest:find('^["\']') then
            take('string', close_quote(line, at))
        elseif directive == 'include' and rest:find('^<[^>]*>') then
            take('string', at + #rest:match('^<[^>]*>') - 1)
        elseif rest:find('^%.?%d') then
            -- 1.5e-3f, 0x1p-24, 1u: a sign belongs to the exponent before it.
            local last = at
            while true do
                local ch, before = line:sub(last + 1, last + 1),
                    line:sub(last, last)
                if ch:find('[%w_.]') or
                    ch:find('[-+]') and before:find('[eEpP]') then
                    last = last + 1
                else
                    break
                end
            end
            take('number', last)
        elseif rest:find('^[%a_]') then
            local word = rest:match('^[%w_]+')
            take(keywords[word] and 'keyword' or types[word] and 'type' or
                 'name', at + #word - 1)
        else
            take('text', at)
        end
    end
    return tokens, inside
end

-- The lines of a text.
function c.lines(text)
    local lines = {}
    for line in (text:gsub('\n$', '') .. '\n'):gmatch('(.-)\n') do
        lines[#lines + 1] = line
    end
    return lines
end

-- Every line's tokens.
function c.tokens(text)
    local result, inside = {}, false
    for i, line in ipairs(c.lines(text)) do
        result[i], inside = tokens_of_line(line, inside)
    end
    return result
end

-- Marks with `link = true` the names that may refer to something defined
-- elsewhere: no member after a dot or an arrow, and no name that the text
-- itself gives to a parameter or variable. `is_function` tells what a name is.
function c.mark(lines, is_function)
    local before, earlier  -- the last two tokens that are not blank
    local own, candidates = {}, {}
    for _, line in ipairs(lines) do
        for i, token in ipairs(line) do
            if token.kind == 'name' then
                local after = (line[i + 1] or {}).text or ''
                local last = before and before.text:match('(%S+)%s*$') or ''
                local member = last:find('%.$') or last:find('%->$')
                token.called = after:find('^%s*%(') ~= nil
                if not member then
                    candidates[#candidates + 1] = token
                    local typed = before and (before.kind == 'type' or
                        before.kind == 'name') or
                        last:find('%*$') and earlier and
                        (earlier.kind == 'type' or earlier.kind == 'name')
                    if typed and not token.called then
                        own[token.text] = true
                    end
                end
            end
            if token.kind ~= 'comment' and token.text:find('%S') then
                earlier, before = before, token
            end
        end
        -- A directive ends with its line.
        if line[1] and line[1].kind == 'directive' then
            before, earlier = nil, nil
        end
    end
    for _, token in ipairs(candidates) do
        token.link = token.called or not own[token.text] or
            not is_function(token.text)
    end
end

return c
